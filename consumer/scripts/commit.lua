-- Commits a batch of finished messages, each in one step or not at all.
--
-- KEYS[1] stream, KEYS[2] dead letters, KEYS[3] ledger, KEYS[4] schedule, KEYS[5..] keys that ARGV names by position
-- ARGV[1] group, [2] consumer, [3] batch number, [4] ledger TTL (ms), [5] now (Unix seconds),
--   [6] dead letters' MAXLEN, [7] MAXLEN of a stream that is emitted to, [8] trace TTL (s), then for each message
--   id, delivery count, verb, lock key's position (0 = none), token, trace key's position (0 = none), reason,
--   the number of arguments that follow for this message, and these:
--     ack:    for each emit the stream key's position, data, trace id
--     retry:  the time until the next try (ms; '' = whenever autoclaim finds it)
--     dead:   data, trace id, then name and value of every further field that the entry had
--     return: the delivery count to go back to, the idle time to show (ms)
--     lost:   nothing; the message is known to be another's, only our lock is released
-- Reply: for each message "done", "fenced", "gone", or an error's text; nothing is written for any but "done"
--
-- The ledger remembers the last batch of this consumer, which sends one at a time: a batch whose reply was lost
-- and which is sent again is answered from it.
local ledger, number = KEYS[3], ARGV[3]
local now, dead_maxlen, emit_maxlen, trace_ttl = ARGV[5], ARGV[6], ARGV[7], ARGV[8]

local last = redis.pcall('HMGET', ledger, 'batch', 'reply')
if last[1] == number then return cjson.decode(last[2]) end

-- The schedule goes with the stream that it is for, in the end: so long after the last entry was due.
local schedule_ttl = 7 * 24 * 3600 * 1000

local verbs = {}

function verbs.ack(m)
  for i = m.first, m.last, 3 do
    local refused = unappendable(KEYS[tonumber(ARGV[i])])
    if refused then return refused end
  end
  for i = m.first, m.last, 3 do
    local refused = append(KEYS[tonumber(ARGV[i])], emit_maxlen, { 'data', ARGV[i + 1], 'ts', now, 'trace_id', ARGV[i + 2] })
    if refused then return refused end
  end
  redis.call('XACK', stream, group, m.id)
  return nil, 'COMPLETED'
end

-- Puts the entry on the schedule: whoever has room when it is due takes it, however long it has been idle. The
-- delivery count goes with it, so that what others have taken since is not mistaken for what was scheduled. A key
-- of another type leaves the entry to autoclaim.
-- Without a delay it is due whatever the clock of a Redis that comes after this one.
local function schedule(id, count, delay)
  local added = redis.pcall('ZADD', KEYS[4], delay and clock() + delay or 0, scheduled(id, count))
  if type(added) == 'table' and added.err then return end
  redis.call('PEXPIRE', KEYS[4], math.max(redis.call('PTTL', KEYS[4]), (delay or 0) + schedule_ttl))
end

-- A message whose claim failed was not begun, but it was tried: from here on it counts.
function verbs.retry(m)
  if m.shown ~= m.count then touch(m.id, m.count) end
  if ARGV[m.first] ~= '' then schedule(m.id, m.count, tonumber(ARGV[m.first])) end
  return nil, 'ERRORED'
end

function verbs.dead(m)
  local refused = unappendable(KEYS[2])
  if refused then return refused end
  local fields = {
    'original_stream', stream, 'original_msg_id', m.id, 'error', m.reason, 'attempt', m.count,
    'data', ARGV[m.first], 'ts', now, 'trace_id', ARGV[m.first + 1],
  }
  for i = m.first + 2, m.last do fields[#fields + 1] = ARGV[i] end
  refused = append(KEYS[2], dead_maxlen, fields)
  if refused then return refused end
  redis.call('XACK', stream, group, m.id)
  return nil, 'ERRORED'
end

-- "return" is a word of Lua's. XCLAIM removes an entry that was trimmed from the pending list, so it is asked for first.
verbs['return'] = function(m)
  if redis.call('XRANGE', stream, m.id, m.id, 'COUNT', 1)[1] then
    redis.call('XCLAIM', stream, group, consumer, 0, m.id, 'IDLE', ARGV[m.first + 1], 'RETRYCOUNT', ARGV[m.first], 'JUSTID')
    schedule(m.id, ARGV[m.first], nil)
  end
  return nil, nil
end

-- Releases the message's lock, if it is ours. It returns false where it is not.
local function release(m)
  if not m.lock then return true end
  if redis.pcall('GET', m.lock) ~= m.token then return false end
  redis.pcall('DEL', m.lock)
  return true
end

local function commit(m)
  local refused
  refused, m.shown = lost(m.id, m.count)
  if refused or m.verb == 'lost' then
    -- Whoever has the message now need not wait until the lock expires.
    release(m)
    return refused or 'fenced'
  end
  if m.lock and redis.pcall('GET', m.lock) ~= m.token then return 'fenced' end
  local state
  refused, state = verbs[m.verb](m)
  if refused then return refused end
  release(m)
  if m.trace and state then trace(m.trace, trace_ttl, state, now, m.count, m.reason) end
  return 'done'
end

local reply, i = {}, 9
while i <= #ARGV do
  local extra = tonumber(ARGV[i + 7])
  reply[#reply + 1] = commit({
    id = ARGV[i], count = tonumber(ARGV[i + 1]), verb = ARGV[i + 2],
    lock = KEYS[tonumber(ARGV[i + 3])], token = ARGV[i + 4], trace = KEYS[tonumber(ARGV[i + 5])], reason = ARGV[i + 6],
    first = i + 8, last = i + 7 + extra,
  })
  i = i + 8 + extra
end
redis.pcall('HSET', ledger, 'batch', number, 'reply', cjson.encode(reply))
redis.pcall('PEXPIRE', ledger, ARGV[4])
return reply
