-- Stands in front of every other script. KEYS[1] is the stream, ARGV[1] the group, ARGV[2] this consumer.
--
-- Lua does not roll back: what a script must write is asked for before its first write, and what it need not
-- write (traces, audits, counters) is written with pcall.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]

-- The fence: nil while the pending list shows this consumer and this delivery count, else the reason why not.
-- "gone" is an entry that is not pending at all (acknowledged, or the group was destroyed). A message that waits to
-- be begun is shown with one delivery less, which only its own worker writes. The second result is the count shown.
local function lost(id, count)
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)
  if pending.err or not pending[1] then return 'gone' end
  local shown = pending[1][4]
  if pending[1][2] ~= consumer or (shown ~= count and shown ~= count - 1) then return 'fenced' end
  return nil, shown
end

-- Sets the delivery count of an entry that is ours, which also touches it. XCLAIM takes an entry that was trimmed
-- away out of the pending list, and with it the right to commit it, so such a one is left as it is. RETRYCOUNT
-- keeps the count, also where JUSTID alone does not.
local function touch(id, count)
  if redis.call('XRANGE', stream, id, id, 'COUNT', 1)[1] then
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', count, 'JUSTID')
  end
end

-- Writes a transition of the trace hash and sees to it that the hash expires. The trace serves observers: a
-- key of another type is left as it is.
local function trace(key, ttl, state, now, attempt, why)
  local set = redis.pcall('HSET', key, 'state', state, 'updated_at', now, 'worker', consumer, 'attempt', attempt)
  if type(set) == 'table' and set.err then return end
  if why == '' then redis.pcall('HDEL', key, 'error') else redis.pcall('HSET', key, 'error', why) end
  local left = redis.pcall('TTL', key)
  if type(left) == 'number' and left < 0 then redis.pcall('EXPIRE', key, ttl) end
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

-- Appends an entry. It returns nil, or the reason why this stream does not take it. That Redis can't write at
-- all is no message's fault, and shows at a script's first write only: it ends the script, which is sent again.
local function append(key, maxlen, fields)
  local added = redis.pcall('XADD', key, 'MAXLEN', '~', maxlen, '*', unpack(fields))
  if type(added) ~= 'table' or not added.err then return nil end
  for _, sign in ipairs({ 'OOM ', 'MISCONF ', 'READONLY ', 'NOREPLICAS ' }) do
    if string.find(added.err, sign, 1, true) then error(added.err) end
  end
  return added.err
end

-- The schedule's name of a pending entry: its id and delivery count.
local function scheduled(id, count) return id .. ' ' .. count end

-- Redis's own clock in ms, so that workers whose clocks differ agree on when something is due.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
