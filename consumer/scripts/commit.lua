-- Commits a batch of finished messages, each in one step or not at all.
--
-- KEYS[5] dead letters, KEYS[6] ledger, KEYS[7] what was delivered, KEYS[8] what is being delivered (both as deliver.lua has
--   them), then the messages' locks, the messages' traces, and keys that ARGV names by position
-- ARGV[5] batch number, [6] the pipe that it comes through, [7] ledger TTL (ms), [8] now (Unix seconds), [9] dead letters'
--   MAXLEN, [10] MAXLEN of a stream that is emitted to, [11] trace TTL (s), [12] how long a delivery is remembered (ms; 0 = it
--   is not), [13] how many are, [14] how many messages the batch has, [15] the least and [16] the greatest of their ids,
--   [17] whether KEYS has locks and [18] whether it has traces, one for each message (the stream's key stands for none); then
--   columns, which have one for each message:
--   ids; where an order is kept, lanes ('' = none); and where deliveries are remembered, message_keys ('' = this one is not),
--   and what is known: "delivered", "undelivered", "doubtful" (delivered, and put back all the same) or '' (nobody knows)
--   and then runs of messages that have so much in common that it is sent once, since each text of ARGV takes Redis as long as
--   a quarter of a command: verb, delivery count, how many messages, how many arguments each has, the number of streams that it
--   emits to, these keys' positions, and the arguments of one message after the other:
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
local ledger, number, pipe = KEYS[6], ARGV[5], ARGV[6]
local now, dead_maxlen, emit_maxlen, trace_ttl = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local remembers = ARGV[12] ~= '0'

local before = redis.pcall('HMGET', ledger, 'batch' .. pipe, 'reply' .. pipe)
if before[1] == number then return cjson.decode(before[2]) end

local size, behind_columns = tonumber(ARGV[14]), 19
local function column(is_there)
  if not is_there then return nil end
  behind_columns = behind_columns + size
  return behind_columns - size - 1
end
local ids, lane_names = column(true), column(ordered ~= 'none')
local message_keys, tolds = column(remembers), column(remembers)
local locks = ARGV[17] == '1' and 8
local traces = ARGV[18] == '1' and 8 + (locks and size or 0)

local due = 'done'

-- The message that is being committed: its number in the batch, its verb, id and delivery count, also as ARGV has that; its lane,
-- lock and trace; the first and the last of its arguments, and the streams that it emits to; what is remembered of its delivery.
-- These are no fields of a table, since all functions below read them: that would take as long as a command.
local n, verb, id, count, attempt, lane, lock, hash, first, last, streams
local message_key, told = '', ''

-- Puts the message back, to be handed out again.
local function put_back(deliveries, at)
  give(parked, id, deliveries)
  hand_out_at(id, deliveries, at)
  due = at == 0 and 'due' or due
end

-- What is done for all of the batch in one command, when all that can be refused was seen to: entries to be acknowledged,
-- lanes to be emptied, locks to be released.
local acknowledged, left, released = {}, {}, {}
local n_acknowledged, n_left, n_released = 0, 0, 0

-- The only entries of the lanes. Where a key is of another type, the script ends here, before it has written anything.
if ordered ~= 'none' then redis.call('ZCARD', order) end
local only = ordered ~= 'none' and redis.call('HMGET', lanes, unpack(ARGV, lane_names + 1, lane_names + size))

-- Takes a message out of its lane, whose next may run now.
local function leave_lane()
  leave(lane, id)
  if call_next(lane) then due = 'due' end
end

local function finish()
  n_acknowledged = n_acknowledged + 1
  acknowledged[n_acknowledged], own[id] = id, 'finished'
  if lane == '' then return end
  if only[n] ~= id then return leave_lane() end
  n_left = n_left + 1
  left[n_left] = lane
end

local function finish_all()
  if acknowledged[1] then redis.call('XACK', stream, group, unpack(acknowledged)) end
  if left[1] then redis.call('HDEL', lanes, unpack(left)) end
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
function verbs.ack()
  for i = 1, #streams do
    local refused = unappendable(streams[i])
    if refused then return refused end
  end
  local writes
  local state = first + 2 * #streams
  if state < last then
    local same, refused
    same, writes, refused = changes(state, last)
    if refused then return refused end
    if not same then
      put_back(count - 1, 0)
      return 'conflict'
    end
  end
  for i = 1, #streams do
    local at = first + 2 * i - 2
    local failed = append(streams[i], emit_maxlen, 'data', ARGV[at], 'ts', now, 'trace_id', ARGV[at + 1])
    if failed then return failed end
  end
  for _, w in ipairs(writes or {}) do write(w) end
  finish()
  if hash then trace(hash, trace_ttl, 'COMPLETED', now, attempt, '') end
  return nil
end

local function trace_error()
  if hash then trace(hash, trace_ttl, 'ERRORED', now, attempt, ARGV[first]) end
end

function verbs.retry()
  put_back(count, clock() + tonumber(ARGV[first + 1]))
  trace_error()
  return nil
end

function verbs.dead()
  local refused = unappendable(KEYS[5])
  if refused then return refused end
  local fields = {
    'original_stream', stream, 'original_msg_id', id, 'error', ARGV[first], 'attempt', count,
    'data', ARGV[first + 1], 'ts', now, 'trace_id', ARGV[first + 2],
  }
  for i = first + 3, last do fields[#fields + 1] = ARGV[i] end
  refused = append(KEYS[5], dead_maxlen, unpack(fields))
  if refused then return refused end
  finish()
  trace_error()
  return nil
end

-- "return" is a word of Lua's. The entry is shown as idle, so that a peer which knows no schedule takes it, too.
verbs['return'] = function()
  if is_there(id) then
    redis.call('XCLAIM', stream, group, parked, 0, id, 'IDLE', ARGV[first + 1], 'RETRYCOUNT', ARGV[first], 'JUSTID')
    hand_out_at(id, ARGV[first], 0)
  end
  return nil
end

-- Who holds the locks.
local holders = locks and redis.call('MGET', unpack(KEYS, locks + 1, locks + size)) or {}

-- Whether the message's lock is ours.
local function has_lock() return holders[n] == token_of(id, attempt) end

-- Releases that lock.
local function release()
  n_released = n_released + 1
  released[n_released] = lock
end

-- Notes that a delivery was made whose acknowledgement is not written, so that the try that follows hears of it.
local function doubt()
  if message_key ~= '' and told ~= 'undelivered' then
    redis.pcall('HSET', KEYS[8], message_key, clock() .. ' ' .. id .. ' ' .. count .. ' 1')
  end
end

-- Remembers that a reply was delivered, or forgets that its delivery was begun. Where nobody knows, what was begun stays
-- known, as it does where the end of an earlier try is not known.
local function remember()
  local delivered, delivering = KEYS[7], KEYS[8]
  if message_key == '' or told == '' then return end
  if told == 'doubtful' then return doubt() end
  if told == 'undelivered' then
    local mark = redis.pcall('HGET', delivering, message_key)
    if type(mark) == 'string' and string.sub(mark, -2) == ' 0' then redis.pcall('HDEL', delivering, message_key) end
    return
  end
  redis.pcall('HDEL', delivering, message_key)
  redis.pcall('ZADD', delivered, clock(), message_key)
  redis.pcall('ZREMRANGEBYSCORE', delivered, '-inf', clock() - ARGV[12])
  redis.pcall('ZREMRANGEBYRANK', delivered, 0, -1 - tonumber(ARGV[13]))
  redis.pcall('PEXPIRE', delivered, ARGV[12])
end

-- Whether an earlier message of its channel has turned up since this one was begun, which is not alone in its lane. What was
-- delivered already is not made undone by that; and of an order that somebody has deleted, nothing earlier is known.
local function is_overtaken()
  if verb ~= 'ack' and verb ~= 'dead' then return false end
  if message_key ~= '' and told == 'delivered' then return false end
  if firsts(lane, '1')[1] == id then return false end
  local turn = first_of(lane)
  return turn and turn ~= id
end

local function commit()
  local refused = lost(id, count)
  if refused or verb == 'lost' then
    -- Whoever has the message now need not wait until the lock expires.
    if lock and has_lock() then release() end
    if refused == 'gone' and lane ~= '' then leave_lane() end
    return refused or 'fenced'
  end
  if lock and not has_lock() then return 'fenced' end
  if lane ~= '' and only[n] ~= id and is_overtaken() then
    give(parked, id, count - 1)
    if call_next(lane) then due = 'due' end
    if lock then release() end
    return 'overtaken'
  end
  refused = verbs[verb]()
  if refused and refused ~= 'conflict' then return refused end
  if lock then release() end
  if refused then
    doubt()
  elseif remembers then
    remember()
  end
  return refused
end

look_up(ARGV[15], ARGV[16], size)

local reply = { due }
local function answer(number, refused) reply[#reply + 1], reply[#reply + 2] = number, refused end

local through = 0 -- the messages up to this one are done with
local function commit_rest()
  local i = behind_columns
  n = 0
  while n < size do
    local messages, width, emits = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
    verb, attempt, count, streams = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 1]), {}
    for e = 1, emits do streams[e] = KEYS[tonumber(ARGV[i + 4 + e])] end
    i = i + 5 + emits
    for _ = 1, messages do
      n = n + 1
      id, lane = ARGV[ids + n], lane_names and ARGV[lane_names + n] or ''
      lock, hash = locks and KEYS[locks + n], traces and KEYS[traces + n]
      if lock == stream then lock = nil end
      if hash == stream then hash = nil end
      if remembers then message_key, told = ARGV[message_keys + n], ARGV[tolds + n] end
      first, last = i, i + width - 1
      i = i + width
      if n > through then
        local refused = commit()
        if refused then answer(n, refused) end
        through = n
      end
    end
  end
end

-- An error that nobody has thought of is one message's. It must not undo that those before it are acknowledged, whose answers
-- are written, nor count as a failure of those behind it.
while through < size do
  local went_well, failure = pcall(commit_rest)
  if not went_well then
    failure = tostring(type(failure) == 'table' and failure.err or failure)
    if writes_nothing(failure) then error(failure) end
    -- Between two messages it is that of all that follow, since what is sent of them can't be read.
    local last_failed = n > through and n or size
    for failed = through + 1, last_failed do answer(failed, failure) end
    through = last_failed
  end
end
finish_all()
reply[1] = due
redis.pcall('HSET', ledger, 'batch' .. pipe, number, 'reply' .. pipe, cjson.encode(reply))
redis.pcall('PEXPIRE', ledger, ARGV[7])
return reply
