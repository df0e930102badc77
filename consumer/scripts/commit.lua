-- Commits a batch of finished messages, each in one step or not at all.
--
-- KEYS[4] dead letters, KEYS[5] ledger, KEYS[6] what was delivered, KEYS[7] what is being delivered (both as deliver.lua has
--   them), then the messages' locks, the messages' traces, and keys that ARGV names by position
-- ARGV[5] batch number, [6] the pipe that it comes through, [7] ledger TTL (ms), [8] now (Unix seconds), [9] dead letters' MAXLEN,
--   [10] MAXLEN of a stream that is emitted to, [11] trace TTL (s), [12] how long a delivery is remembered (ms; 0 = it is not),
--   [13] how many are, [14] how many messages the batch has, [15] the least and [16] the greatest of their ids, [17] whether KEYS
--   has locks and [18] whether it has traces, one for each message (the stream's key stands for none); then columns, which have one for
--   each message:
--   ids; where an order is kept, members of the order ('' = none); where there are locks, tokens; and where deliveries are
--   remembered, message_keys ('' = this one is not), and what is known: "delivered", "undelivered", "doubtful" (delivered, and put
--   back all the same) or '' (nobody knows)
--   and then runs of messages that have so much in common that it is sent once, since each text of ARGV takes Redis as long as a quarter of a
--   command: verb, delivery count, how many messages, how many arguments each has, the number of streams that it emits to, these keys'
--   positions, and the arguments of one message after the other:
--     ack:    for each emit data and trace id; where there are more, the number of reads of the state, for each the key's
--             position, 'absent', 'value' or 'sha1', and the value or its digest; for each write the key's position, value,
--             and 'delete', 'keep' or the time until it expires (ms)
--     retry:  the reason, the time until the next try (ms)
--     dead:   the reason, data, trace id, then name and value of every further field that the entry had
--     return: the delivery count to go back to, the idle time to show (ms)
--     lost:   nothing; the message is known to be another's, only our lock is released
-- Reply: { 'due' where the schedule has something to be taken at once, else 'done', then for each message that was not committed its
--   number, from 1 on, and why }:
--   "fenced" or "gone": it is not ours any more,
--   "overtaken": an earlier message of its channel has turned up since; it was parked and will be handled after that one,
--   "conflict": what it has read of the state does not hold any more; it will be handled again at once,
--   or an error's text.
--   Nothing of the outcome is written for these.
--
-- The ledger remembers the last batch of each pipe of this consumer, which sends one at a time through each: a batch
-- whose reply was lost and which is sent again is answered from it.
local ledger, number, pipe = KEYS[5], ARGV[5], ARGV[6]
local now, dead_maxlen, emit_maxlen, trace_ttl = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local remembers = ARGV[12] ~= '0'

local last = redis.pcall('HMGET', ledger, 'batch' .. pipe, 'reply' .. pipe)
if last[1] == number then return cjson.decode(last[2]) end

local size, behind_columns = tonumber(ARGV[14]), 19
local function column(is_there)
  if not is_there then return nil end
  behind_columns = behind_columns + size
  return behind_columns - size - 1
end
local has_locks, has_traces = ARGV[17] == '1', ARGV[18] == '1'
local ids, members, tokens = column(true), column(ordered ~= 'none'), column(has_locks)
local message_keys, tolds = column(remembers), column(remembers)
local locks = has_locks and 7
local traces = has_traces and 7 + (locks and size or 0)

local due = 'done'

-- Puts a message that is ours back, to be handed out again.
local function put_back(m, count, at)
  give(parked, m.id, count)
  hand_out_at(m.id, count, at)
  due = at == 0 and 'due' or due
end

-- What is done for all of the batch in one command, when all that can be refused was seen to: entries to be acknowledged,
-- members to be taken out of the order, locks to be released.
local acknowledged, left, released = {}, {}, {}
local n_acknowledged, n_left, n_released = 0, 0, 0
-- By id, what was finished here already: an entry can be in a batch twice.
local finished = {}

-- Whether nothing at all is parked. Then nothing waits for its turn, and a message that is finished has no next one.
local nobody_waits = ordered == 'none' or not redis.pcall('XPENDING', stream, group, '-', '+', '1', parked)[1]

-- The members that are alone in their lanes, where the whole order was looked at.
local alone = {}
local function look_at_order()
  local lane, before
  for _, name in ipairs(whole_order(size) or {}) do
    if lane == lane_in(name) then
      alone[before] = nil
    else
      lane, before, alone[name] = lane_in(name), name, true
    end
  end
end

local function is_alone(name) return nobody_waits or alone[name] end

-- Takes a message out of its lane, whose next may run now.
local function leave_lane(m)
  if m.member == '' then return end
  if is_alone(m.member) then
    n_left = n_left + 1
    left[n_left] = m.member
    return
  end
  redis.call('ZREM', order, m.member)
  if call_next(lane_in(m.member)) then due = 'due' end
end

local function finish(m)
  n_acknowledged = n_acknowledged + 1
  acknowledged[n_acknowledged], finished[m.id] = m.id, true
  leave_lane(m)
end

local function finish_all()
  if acknowledged[1] then redis.call('XACK', stream, group, unpack(acknowledged)) end
  if left[1] then redis.call('ZREM', order, unpack(left)) end
  if released[1] then redis.call('DEL', unpack(released)) end
end

-- The arguments from one position to another, of which each three name a key by its position first.
local function triples(from, to)
  local list = {}
  for i = from, to, 3 do list[#list + 1] = { KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2] } end
  return list
end

-- Whether what was read of the state still holds, and the writes; or the reason why they can't be made.
local function changes(from, to)
  local writes_from = from + 1 + 3 * tonumber(ARGV[from])
  local same, refused = holds(triples(from + 1, writes_from - 1))
  local writes = triples(writes_from, to)
  return same, writes, refused or unwritable(writes)
end

local verbs = {}

-- All that is asked for is checked before the first of it is written.
function verbs.ack(m)
  local streams, first = m.streams, m.first
  for i = 1, #streams do
    local refused = unappendable(streams[i])
    if refused then return refused end
  end
  local writes
  local state = first + 2 * #streams
  if state < m.last then
    local same, refused
    same, writes, refused = changes(state, m.last)
    if refused then return refused end
    if not same then
      put_back(m, m.count - 1, 0)
      return 'conflict'
    end
  end
  for i = 1, #streams do
    local at = first + 2 * i - 2
    local failed = append(streams[i], emit_maxlen, 'data', ARGV[at], 'ts', now, 'trace_id', ARGV[at + 1])
    if failed then return failed end
  end
  for _, w in ipairs(writes or {}) do write(w) end
  finish(m)
  if m.trace then trace(m.trace, trace_ttl, 'COMPLETED', now, m.attempt, '') end
  return nil
end

local function trace_error(m)
  if m.trace then trace(m.trace, trace_ttl, 'ERRORED', now, m.attempt, ARGV[m.first]) end
end

function verbs.retry(m)
  put_back(m, m.count, clock() + tonumber(ARGV[m.first + 1]))
  trace_error(m)
  return nil
end

function verbs.dead(m)
  local refused = unappendable(KEYS[4])
  if refused then return refused end
  local fields = {
    'original_stream', stream, 'original_msg_id', m.id, 'error', ARGV[m.first], 'attempt', m.count,
    'data', ARGV[m.first + 1], 'ts', now, 'trace_id', ARGV[m.first + 2],
  }
  for i = m.first + 3, m.last do fields[#fields + 1] = ARGV[i] end
  refused = append(KEYS[4], dead_maxlen, unpack(fields))
  if refused then return refused end
  finish(m)
  trace_error(m)
  return nil
end

-- "return" is a word of Lua's. The entry is shown as idle, so that a peer which knows no schedule takes it, too.
verbs['return'] = function(m)
  if is_there(m.id) then
    redis.call('XCLAIM', stream, group, parked, 0, m.id, 'IDLE', ARGV[m.first + 1], 'RETRYCOUNT', ARGV[m.first], 'JUSTID')
    hand_out_at(m.id, ARGV[m.first], 0)
  end
  return nil
end

-- Who holds the locks.
local holders = locks and redis.call('MGET', unpack(KEYS, locks + 1, locks + size)) or {}

-- Whether the message's lock, where it has one, is ours.
local function has_lock(m) return not m.lock or holders[m.n] == m.token end

-- Releases the message's lock, which is ours.
local function release(m)
  if not m.lock then return end
  n_released = n_released + 1
  released[n_released], holders[m.n] = m.lock, false
end

-- Notes that a delivery was made whose acknowledgement is not written, so that the try that follows hears of it.
local function doubt(m)
  if m.message_key ~= '' and m.told ~= 'undelivered' then
    redis.pcall('HSET', KEYS[7], m.message_key, clock() .. ' ' .. m.id .. ' ' .. m.count .. ' 1')
  end
end

-- Remembers that a reply was delivered, or forgets that its delivery was begun. Where nobody knows, what was begun stays
-- known, as it does where the end of an earlier try is not known.
local function remember(m)
  local delivered, delivering = KEYS[6], KEYS[7]
  if m.message_key == '' or m.told == '' then return end
  if m.told == 'doubtful' then return doubt(m) end
  if m.told == 'undelivered' then
    local mark = redis.pcall('HGET', delivering, m.message_key)
    if type(mark) == 'string' and string.sub(mark, -2) == ' 0' then redis.pcall('HDEL', delivering, m.message_key) end
    return
  end
  redis.pcall('HDEL', delivering, m.message_key)
  redis.pcall('ZADD', delivered, clock(), m.message_key)
  redis.pcall('ZREMRANGEBYSCORE', delivered, '-inf', clock() - ARGV[12])
  redis.pcall('ZREMRANGEBYRANK', delivered, 0, -1 - tonumber(ARGV[13]))
  redis.pcall('PEXPIRE', delivered, ARGV[12])
end

-- Whether an earlier message of its channel has turned up since this one was begun. What was delivered already is not
-- made undone by that; and of an order that somebody has deleted, nothing earlier is known.
local function is_overtaken(m)
  if m.member == '' or is_alone(m.member) or m.verb ~= 'ack' and m.verb ~= 'dead' then return false end
  if m.message_key ~= '' and m.told == 'delivered' then return false end
  local lane = lane_in(m.member)
  if firsts(lane, '1')[1] == m.member then return false end
  local first = first_of(lane)
  return first and first ~= m.id
end

local function commit(m)
  local refused = finished[m.id] and 'gone' or lost(m.id, m.count)
  if refused or m.verb == 'lost' then
    -- Whoever has the message now need not wait until the lock expires.
    if has_lock(m) then release(m) end
    if refused == 'gone' then leave_lane(m) end
    return refused or 'fenced'
  end
  if not has_lock(m) then return 'fenced' end
  if is_overtaken(m) then
    give(parked, m.id, m.count - 1)
    if call_next(lane_in(m.member)) then due = 'due' end
    release(m)
    return 'overtaken'
  end
  refused = verbs[m.verb](m)
  if refused == 'conflict' then
    release(m)
    doubt(m)
  end
  if refused then return refused end
  release(m)
  remember(m)
  return nil
end

look_up(ARGV[15], ARGV[16], size)
if not nobody_waits then look_at_order() end

-- A message's key in one of the columns of KEYS, or nil where it has none.
local function key_in(column, n)
  local key = KEYS[column + n]
  return key ~= stream and key or nil
end

-- One table for all messages, one after the other: to make one for each takes as long as a command.
local reply, m = { due }, { n = 0, member = '', message_key = '', told = '' }
local i = behind_columns
while m.n < size do
  local messages, width, emits = ARGV[i + 2], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  m.verb, m.attempt, m.count, m.streams = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 1]), {}
  for e = 1, emits do m.streams[e] = KEYS[tonumber(ARGV[i + 4 + e])] end
  i = i + 5 + emits
  for n = m.n + 1, m.n + messages do
    m.n, m.id, m.first, m.last = n, ARGV[ids + n], i, i + width - 1
    if members then m.member = ARGV[members + n] end
    if locks then m.lock, m.token = key_in(locks, n), ARGV[tokens + n] end
    if traces then m.trace = key_in(traces, n) end
    if remembers then m.message_key, m.told = ARGV[message_keys + n], ARGV[tolds + n] end
    i = i + width
    local refused = commit(m)
    if refused then reply[#reply + 1], reply[#reply + 2] = n, refused end
  end
end
finish_all()
reply[1] = due
redis.pcall('HSET', ledger, 'batch' .. pipe, number, 'reply' .. pipe, cjson.encode(reply))
redis.pcall('PEXPIRE', ledger, ARGV[7])
return reply
