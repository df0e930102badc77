-- Stands in front of every other script. KEYS[1] is the stream, KEYS[2] its schedule, KEYS[3] its order and KEYS[4] that
-- order's lanes; ARGV[1] is the group, ARGV[2] this consumer, ARGV[3] what the order holds ("none", "addressed" or "channel"),
-- and ARGV[4] the key under which a payload names its channel. Scripts for other slots of a Cluster than the stream's have
-- other KEYS, and use nothing of this that needs the four.
--
-- Lua does not roll back: what a script must write is asked for before its first write, and what it need not
-- write (traces, audits, counters) is written with pcall.
local stream, schedule, order, lanes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, consumer, ordered, channel_key = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
-- What is looked for once, and not at each use.
local redis, ARGV, KEYS, tonumber, type, unpack = redis, ARGV, KEYS, tonumber, type, unpack

-- The consumer that owns what is pending and in no worker's hands: what waits for its turn, or for its next try.
local parked = 'sgstreamd-parked'

-- The pending list's { id, owner, idle ms, delivery count } of an entry, or nil. There may be no group any more.
local function pending(id)
  local list = redis.pcall('XPENDING', stream, group, id, id, '1')
  return not list.err and list[1] or nil
end

-- Delivery counts by id of what this consumer has pending, as far as it was looked up and not asked for yet.
local own = {}

-- Looks a batch up: one look for all costs a fraction of one for each. What lies between the first and the last id and is
-- not of the batch counts as well, so there is a bound; what is not found is looked up when it is asked for.
local function look_up(first, last, most)
  if most <= 1 then return end
  local list = redis.pcall('XPENDING', stream, group, first, last, 2 * most, consumer)
  if list.err then return end
  for _, p in ipairs(list) do own[p[1]] = p[4] end
end

-- The fence: nil while the pending list shows this consumer and this delivery count, else the reason why not.
-- "gone" is an entry that is not pending at all (acknowledged, or the group was destroyed). What was looked up answers
-- once: an entry can be in a batch twice, and is another's after the first, or gone where this script has finished it.
local function lost(id, count)
  local known = own[id]
  if known == 'finished' then return 'gone' end
  own[id] = nil
  if known == count then return nil end
  local p = pending(id)
  if not p then return 'gone' end
  if p[2] ~= consumer or p[4] ~= count then return 'fenced' end
  return nil
end

-- The token of a lock that a message holds. It names this delivery and no other, so that nobody else can release the lock.
local token_prefix = consumer .. ' '
local function token_of(id, count) return token_prefix .. id .. ' ' .. count end

local function is_there(id) return redis.call('XRANGE', stream, id, id, 'COUNT', '1')[1] ~= nil end

-- Gives an entry to an owner, with a delivery count, and touches it. XCLAIM takes an entry that was trimmed away out
-- of the pending list, and with it the right to commit it, so such a one is left as it is. RETRYCOUNT keeps the
-- count, also where JUSTID alone does not.
local function give(owner, id, count)
  if is_there(id) then redis.call('XCLAIM', stream, group, owner, '0', id, 'RETRYCOUNT', count, 'JUSTID') end
end

-- Redis's own clock in ms, so that workers whose clocks differ agree on when something is due.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Writes a transition of the trace hash and sees to it that the hash expires. The trace serves observers: a
-- key of another type is left as it is. A hash that had all fields already is one of ours, which expires; and only such
-- a one can have an error to be removed, when its next try begins.
local trace_until -- by Redis's clock: this spares Redis to rewrite the command for its replicas
local function trace(key, ttl, state, now, attempt, why)
  local added = redis.pcall('HSET', key, 'state', state, 'updated_at', now, 'worker', consumer, 'attempt', attempt)
  if type(added) == 'table' then return end
  if why ~= '' then
    redis.pcall('HSET', key, 'error', why)
  elseif added == 0 and state == 'CLAIMED' then
    redis.pcall('HDEL', key, 'error')
  end
  if added == 0 then return end
  trace_until = trace_until or string.format('%d', clock() + 1000 * ttl)
  if redis.REDIS_VERSION_NUM then -- from 7.0 on
    redis.pcall('PEXPIREAT', key, trace_until, 'NX')
  elseif redis.pcall('TTL', key) == -1 then
    redis.pcall('PEXPIREAT', key, trace_until)
  end
end

-- The reason why an entry can't be appended to the stream at key, or nil. One answer a key and script.
local appendable = {}
local function unappendable(key)
  if appendable[key] == nil then
    local kind = redis.call('TYPE', key).ok
    appendable[key] = false
    if kind ~= 'none' and kind ~= 'stream' then
      appendable[key] = 'key "' .. key .. '" is a ' .. kind .. ', not a stream; rename or delete it'
    elseif redis.acl_check_cmd and not redis.acl_check_cmd('XADD', key, '*', 'data', '') then
      appendable[key] = 'the Redis user may not XADD to "' .. key .. '"; grant it'
    end
  end
  return appendable[key] or nil
end

-- Whether an error says that Redis can't write at all. That is no message's fault, and shows at a script's first write only: it
-- ends the script, which is sent again.
local function writes_nothing(why)
  for _, sign in ipairs({ 'OOM ', 'MISCONF ', 'READONLY ', 'NOREPLICAS ' }) do
    if string.find(why, sign, 1, true) then return true end
  end
  return false
end

-- Appends an entry. It returns nil, or the reason why this stream does not take it.
local function append(key, maxlen, ...)
  local added = redis.pcall('XADD', key, 'MAXLEN', '~', maxlen, '*', ...)
  if type(added) ~= 'table' or not added.err then return nil end
  if writes_nothing(added.err) then error(added.err) end
  return added.err
end

-- The schedule: a sorted set of what is parked and is to be handed out at a time, in ms of Redis's clock. Its
-- names are "<id> <delivery count>", so that what others have taken since is not mistaken for what was scheduled. It
-- goes with the stream that it is for, in the end. A key of another type schedules nothing: the sweep finds what
-- is parked for min_idle and is on no schedule.
local function scheduled(id, count) return id .. ' ' .. count end

local function due_at(id, count)
  local at = redis.pcall('ZSCORE', schedule, scheduled(id, count))
  return type(at) == 'string' and tonumber(at) or nil
end

local function unschedule(id, count) redis.pcall('ZREM', schedule, scheduled(id, count)) end

-- Schedules an entry for a moment, 0 being at once whatever the clock of a Redis that comes after this one. What is
-- on the schedule already stays where it is.
local function hand_out_at(id, count, at)
  local added = redis.pcall('ZADD', schedule, 'NX', at, scheduled(id, count))
  if type(added) == 'table' and added.err then return end
  local ttl = math.max(at - clock(), 0) + 7 * 24 * 3600 * 1000
  if redis.call('PTTL', schedule) < ttl then redis.call('PEXPIRE', schedule, ttl) end
end
