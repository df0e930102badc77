-- Looks after what is parked and after the order, one page of each a call:
--   What waits on the schedule, or behind others of its channel, is touched, so that no peer takes it for abandoned.
--   What waits for others that are done (somebody has acknowledged them by hand) is scheduled.
--   What is in the order and is not pending any more is removed from it.
--
-- ARGV[5] idle time from which on parked entries are touched (ms), [6] first id of the page ('' = no page), [7] first
--   member of the order's page ('' = no page), [8] entries a page, [9] cursor of the lanes' page ('' = no page)
-- Reply: { next id, next member, how many were removed from the order, next cursor } ('' = the page was the last one)
local count = tonumber(ARGV[8])

local now = clock()

local function is_in(lane, id)
  return redis.call('HGET', lanes, lane) == id or redis.call('ZSCORE', order, member(lane, id))
end

-- Whether the entry is to wait, and somebody is going to hand it out, so that it is no orphan. What is due is anybody's,
-- and has to look so to a peer that knows no schedule.
local function awaited(id, deliveries)
  local at = due_at(id, deliveries)
  if at then return at > now end
  local entry = redis.call('XRANGE', stream, id, id)[1]
  local lane = entry and lane_of(entry[2])
  if not lane or not is_in(lane, id) then return false end
  if is_next(lane, id) then hand_out_at(id, deliveries, 0) end
  return true
end

local function touch_page(from)
  if from == '' then return '' end
  local page = redis.call('XPENDING', stream, group, 'IDLE', ARGV[5], from, '+', count, parked)
  local last = ''
  for _, p in ipairs(page) do
    if is_tired() then return last end
    if awaited(p[1], p[4]) then give(parked, p[1], p[4]) end
    last = p[1]
  end
  return page[count] and page[count][1] or ''
end

local removed = 0

local function remove_if_done(lane, id)
  if pending(id) then return end
  leave(lane, id)
  removed = removed + 1
  call_next(lane)
end

local function order_page(from)
  if from == '' then return '' end
  local page = redis.call('ZRANGEBYLEX', order, from, '+', 'LIMIT', 0, count)
  for _, name in ipairs(page) do remove_if_done(lane_in(name), id_of(name)) end
  return page[count] and '(' .. page[count] or ''
end

local function lanes_page(cursor)
  if cursor == '' then return '' end
  local page = redis.call('HSCAN', lanes, cursor, 'COUNT', count)
  local flat = page[2]
  for i = 1, #flat, 2 do
    local lane, only = flat[i], flat[i + 1]
    if only ~= '' then
      remove_if_done(lane, only)
    elseif not members(lane, '1')[1] then
      redis.call('HDEL', lanes, lane) -- somebody has deleted the sorted set
    end
  end
  return page[1] ~= '0' and page[1] or ''
end

local next_entry, next_member, next_lane = touch_page(ARGV[6]), order_page(ARGV[7]), lanes_page(ARGV[9])
return { next_entry, next_member, removed, next_lane }
