-- Hands out pending entries to this consumer, one page a call:
--   idle: what nobody has touched for a while, since its worker has died
--   due:  what the schedule says is due: failed tries after their delay, what was given back, and what waited for others
--   own:  what this consumer's own lost reads have moved to its pending list
-- What is not the first of its channel is not handed out but parked: it is scheduled when all before it are done.
--
-- KEYS[5] dead letters, KEYS[6] audit hash, KEYS[7] the audit hash before it
-- ARGV[5] min idle (ms), [6] first id of the page, [7] entries a page, [8] how many may be claimed, [9] attempts that an
--   entry has, [10] now (Unix seconds), [11] dead letters' MAXLEN, [12] audit TTL (s), [13] trace prefix ('' = no trace),
--   [14] trace TTL (s), [15] "idle", "due" or "own", then ids that are in flight here and must be left alone
-- Reply: { last id looked at ('' = the page was the last one), claimed, dead, trimmed, refusal, wait, blocked }, where
--   claimed is a list of { id, new delivery count, previous owner, idle ms, lane ('' = none), fields },
--   dead and trimmed are lists of { id, delivery count, previous owner, idle ms }, and
--   refusal tells why nothing can be written to the dead letters ('' = it can),
--   wait is the time until the next entry of the schedule is due (ms; -1 = none is scheduled), and
--   blocked is the first id that could have been claimed, had there been room ('' = none)
local now, room, attempts, mode = ARGV[10], tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[15]
local clock_now = clock()

local held = {}
for i = 16, #ARGV do held[ARGV[i]] = true end

local function pending_page()
  local ask = { 'XPENDING', stream, group, 'IDLE', ARGV[5], ARGV[6], '+', ARGV[7] }
  if mode == 'own' then ask[#ask + 1] = consumer end
  return redis.call(unpack(ask))
end

local function due_page()
  local due, page = redis.pcall('ZRANGEBYSCORE', schedule, '-inf', clock_now, 'LIMIT', 0, ARGV[7]), {}
  if due.err then return page end
  for _, name in ipairs(due) do
    local id, count = string.match(name, '^(%d+%-%d+) (%d+)$')
    local entry = id and pending(id)
    if entry and entry[4] == tonumber(count) then
      page[#page + 1] = entry
    else
      redis.call('ZREM', schedule, name) -- somebody has taken or acknowledged it since
    end
  end
  return page
end

local function next_due()
  local first = redis.pcall('ZRANGE', schedule, 0, 0, 'WITHSCORES')
  if first.err or not first[2] then return -1 end
  return math.max(math.floor(tonumber(first[2]) - clock_now), 0)
end

local page = mode == 'due' and due_page() or pending_page()

-- The audit serves observers: a key of another type is left as it is.
local function audit(id, from, idle, count, what)
  local length = redis.pcall('HLEN', KEYS[6])
  if type(length) == 'number' and length >= 10000 then redis.pcall('RENAME', KEYS[6], KEYS[7]) end
  redis.pcall('HSET', KEYS[6], id, cjson.encode({ what = what, from = from, by = consumer, at = tonumber(now), idle_ms = idle, deliveries = count }))
  redis.pcall('EXPIRE', KEYS[6], ARGV[12])
end

-- Moves an entry to the dead letters. It returns nil, or the reason why they don't take it.
local function bury(id, from, idle, count, flat)
  local why = 'used up its ' .. attempts .. ' attempts: worker "' .. from .. '" had not finished the last one when it was found idle for ' .. idle .. ' ms'
  local entry, foreign, left_out = { data = '', trace_id = '' }, {}, 0
  for i = 1, #flat, 2 do
    local name = flat[i]
    if name == 'data' or name == 'trace_id' then
      entry[name] = flat[i + 1]
    elseif name ~= 'ts' and #foreign < 2000 then
      foreign[#foreign + 1] = 'original_field:' .. name
      foreign[#foreign + 1] = flat[i + 1]
    elseif name ~= 'ts' then
      left_out = left_out + 1
    end
  end
  if left_out > 0 then
    foreign[#foreign + 1] = 'original_fields_left_out'
    foreign[#foreign + 1] = left_out
  end
  local refused = append(KEYS[5], ARGV[11],
    'original_stream', stream, 'original_msg_id', id, 'error', why, 'attempt', count,
    'data', entry.data, 'ts', now, 'trace_id', entry.trace_id, unpack(foreign))
  if refused then return refused end
  redis.call('XACK', stream, group, id)
  local lane = lane_of(flat)
  if lane then
    leave(lane, id)
    call_next(lane)
  end
  if ARGV[13] ~= '' and entry.trace_id ~= '' then
    trace(ARGV[13] .. entry.trace_id, ARGV[14], 'ERRORED', now, count, why)
  end
  return nil
end

local cursor, claimed, dead, trimmed, blocked, refusal = '', {}, {}, {}, '', unappendable(KEYS[5]) or ''

-- Takes an entry for this consumer, or parks it where others of its channel come first. What a lost read moved was
-- never tried, so it keeps its count.
local function take(id, from, idle, count, fields)
  local lane = lane_of(fields)
  if lane then
    enter(lane, id)
    if not is_next(lane, id) then
      unschedule(id, count)
      if from ~= parked then give(parked, id, mode == 'own' and count - 1 or count) end
      return
    end
  end
  if room == 0 then
    if blocked == '' then blocked = id end
    return
  end
  unschedule(id, count)
  if mode ~= 'own' then count = count + 1 end
  redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', count, 'JUSTID')
  if from ~= consumer and from ~= parked then audit(id, from, idle, count, 'claimed') end
  claimed[#claimed + 1] = { id, count, from, idle, lane or '', fields }
  room = room - 1
end

local whole = true
for _, p in ipairs(page) do
  whole = not is_tired()
  if not whole then break end
  local id, from, idle, count = p[1], p[2], p[3], p[4]
  local entry = not held[id] and redis.call('XRANGE', stream, id, id)[1]
  if held[id] then
    -- Ours and alive: only its heartbeat is late. Or it was put back, and its handling here is not over: then it stays on the
    -- schedule, a little later so that it does not stand in front of what else is due. A claim whose reply was lost may be
    -- sent again yet, and could not tell this try from one that was handed out meanwhile.
    if mode == 'due' and from == consumer then
      unschedule(id, count)
    elseif mode == 'due' then
      redis.pcall('ZADD', schedule, 'XX', clock_now + 10, scheduled(id, count))
    end
  elseif not entry then
    redis.call('XACK', stream, group, id)
    unschedule(id, count)
    audit(id, from, idle, count, 'trimmed')
    trimmed[#trimmed + 1] = { id, count, from, idle }
  elseif mode == 'idle' and (due_at(id, count) or 0) > clock_now then
    -- A failed try: the schedule says when the next one is due.
  elseif count >= attempts and mode ~= 'own' then
    if refusal == '' then refusal = bury(id, from, idle, count, entry[2]) or '' end
    if refusal == '' then
      unschedule(id, count)
      audit(id, from, idle, count, 'dead_lettered')
      dead[#dead + 1] = { id, count, from, idle }
    elseif mode == 'due' then
      -- It must not stand in front of what else is due.
      redis.pcall('ZADD', schedule, 'XX', clock_now + 10000, scheduled(id, count))
    end
  else
    take(id, from, idle, count, entry[2])
  end
  cursor = id
end
if mode == 'due' or whole and #page < tonumber(ARGV[7]) then cursor = '' end
return { cursor, claimed, dead, trimmed, refusal, next_due(), blocked }
