-- Takes entries that were read without the group, as if they had just been read with it, and begins their handling: they
-- become pending, the group goes on behind them, the order knows them, and those that may run have their lock and their
-- trace. All of that is one step, which takes nothing if somebody else has read meanwhile.
--
-- So the payloads come to the worker by a plain read, and their channels are looked for there: that is much cheaper than to
-- have both done by a script, as fetch.lua does. And the step that begins them needs no second one.
--
-- KEYS[5..] the entries' locks, and then their traces
-- ARGV[5] the id behind which was read, [6] entries that the order may have for more to be taken, [7] now (Unix seconds), [8] lock
--   TTL (ms), [9] trace TTL (s), [10] the time until a message is looked at again whose lock another holds (ms), [11] how many
--   entries there are, [12] whether no two are of one lane, [13] whether KEYS has locks and [14] whether it has traces, one for each
--   entry (the stream's key stands for none), then their ids, and where an order is kept their lanes ('' = none)
-- Reply: { state, the last id that the group has read, then for each entry that may not be handled its number, from 1 on, and
--   why }, where state is
--   'taken'  as far as there is no reason not to: "waits" (for others of its channel), "busy" (another holds its lock), "gone" (it
--            was trimmed away), or an error's text, with which it has failed
--   'moved'  others have read since, and nothing is taken
--   'uncounted' nothing is taken, since the group does not know how many entries it has read, as a new one; a read finds out
--   'unable' nothing is taken, since this server or its user can't; instead of the id, there is the reason
--   'full'   so many wait for their turn that no more are taken until some are done
local now, lock_ttl, trace_ttl, pause, size = ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])
local distinct, ids = ARGV[12] == '1', 14
local lane_names = ordered ~= 'none' and ids + size
local locks = ARGV[13] == '1' and 4
local traces = ARGV[14] == '1' and 4 + (locks and size or 0)

local g = group_info()
if not g then return redis.error_reply('NOGROUP no consumer group "' .. group .. '" of key "' .. stream .. '"') end
if g['last-delivered-id'] ~= ARGV[5] then return { 'moved', '' } end
-- From Redis 7.0 on a group knows how many entries it has read, or that it doesn't know. Only XREADGROUP can find out.
if g['entries-read'] == false then return { 'uncounted', '' } end
local full, broken = is_full(tonumber(ARGV[6]))
if broken then return broken end
if full then return { 'full', '' } end

local last = ARGV[ids + size]
-- A group that was set back finds what is pending behind it.
if redis.call('XPENDING', stream, group, ARGV[ids + 1], '+', '1')[1] then return { 'moved', '' } end

-- This is what XREADGROUP does, and how it is written to replicas and to the append-only file.
local function claim()
  local args = { 'XCLAIM', stream, group, consumer, '0', unpack(ARGV, ids + 1, ids + size) }
  for i, option in ipairs({ 'RETRYCOUNT', '1', 'FORCE', 'JUSTID' }) do args[5 + size + i] = option end
  return redis.call(unpack(args))
end

local function go_on_behind(id)
  local read = g['entries-read']
  if type(read) ~= 'number' then return redis.pcall('XGROUP', 'SETID', stream, group, id) end
  return redis.pcall('XGROUP', 'SETID', stream, group, id, 'ENTRIESREAD', read + size)
end

local claimed, here = claim(), nil
if #claimed < size then
  here = {}
  for _, id in ipairs(claimed) do here[id] = true end
end
local function is_gone(id) return here and not here[id] end

local went_on = go_on_behind(last)
if went_on.err then
  redis.call('XACK', stream, group, unpack(ARGV, ids + 1, ids + size))
  return { 'unable', went_on.err }
end

-- Puts all that is here into its lane. Of a lane that was empty the first may run. What may not is parked.
local waits = {}
local function enter_all()
  local only = redis.call('HMGET', lanes, unpack(ARGV, lane_names + 1, lane_names + size))
  local begun, entered, n_entered = {}, { 'HSET', lanes }, 2
  local queued, later = { 'ZADD', order }, { 'XCLAIM', stream, group, parked, '0' }
  local function queue(lane, id) queued[#queued + 1], queued[#queued + 2] = '0', member(lane, id) end
  for n = 1, size do
    local id, lane = ARGV[ids + n], ARGV[lane_names + n]
    if lane == '' or is_gone(id) then -- nothing is kept of it
    elseif only[n] then
      waits[id] = not register(id, lane)
    elseif not distinct and begun[lane] then
      local first = begun[lane]
      if entered[first] ~= '' then queue(lane, entered[first]) end
      queue(lane, id)
      entered[first], later[#later + 1], waits[id] = '', id, true
    else
      entered[n_entered + 1], entered[n_entered + 2] = lane, id
      n_entered = n_entered + 2
      if not distinct then begun[lane] = n_entered end
    end
  end
  if n_entered > 2 then redis.call(unpack(entered)) end
  if #later == 5 then return end
  redis.call(unpack(queued))
  for _, option in ipairs({ 'RETRYCOUNT', '0', 'JUSTID' }) do later[#later + 1] = option end
  redis.call(unpack(later))
end
if lane_names then enter_all() end

-- Why an entry may not be handled, or nil where it was begun.
local function refusal(n, id)
  if is_gone(id) then return 'gone' end
  if waits[id] then return 'waits' end
  local key = locks and KEYS[locks + n]
  local why = key and key ~= stream and begin(id, 1, key, token_of(id, '1'), lock_ttl, pause)
  if why then return why end
  local hash = traces and KEYS[traces + n]
  if hash and hash ~= stream then trace(hash, trace_ttl, 'CLAIMED', now, '1', '') end
  return nil
end

local reply = { 'taken', last }
for n = 1, size do
  local why = refusal(n, ARGV[ids + n])
  if why then reply[#reply + 1], reply[#reply + 2] = n, why end
end
return reply
