-- Looks after what is parked and after the order, one page of each a call:
--   What waits on the schedule, or behind others of its channel, is touched, so that no peer takes it for abandoned.
--   What waits for others that are done (somebody has acknowledged them by hand) is scheduled.
--   What is in the order and is not pending any more is removed from it.
--
-- ARGV[5] idle time from which on parked entries are touched (ms), [6] first id of the page ('' = no page), [7] first
--   member of the order's page ('' = no page), [8] entries a page
-- Reply: { next id, next member, how many were removed from the order } ('' = the page was the last one)
local count = tonumber(ARGV[8])

local now = clock()

-- Whether the entry is to wait, and somebody is going to hand it out, so that it is no orphan. What is due is anybody's,
-- and has to look so to a peer that knows no schedule.
local function awaited(id, deliveries)
  local at = due_at(id, deliveries)
  if at then return at > now end
  local entry = redis.call('XRANGE', stream, id, id)[1]
  local lane = entry and lane_of(entry[2])
  if not lane or not redis.call('ZSCORE', order, member(lane, id)) then return false end
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

local function order_page(from)
  if from == '' then return '' end
  local page = redis.call('ZRANGEBYLEX', order, from, '+', 'LIMIT', 0, count)
  for _, name in ipairs(page) do
    if not pending(id_of(name)) then
      removed = removed + redis.call('ZREM', order, name)
      call_next(lane_in(name))
    end
  end
  return page[count] and '(' .. page[count] or ''
end

return { touch_page(ARGV[6]), order_page(ARGV[7]), removed }
