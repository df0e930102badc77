-- Begins the delivery of a batch of replies, each of which is known by its message_key: what was delivered already is
-- not delivered again, and a delivery that was begun before and whose end nobody knows is told from a first one.
--
-- KEYS[5] what was delivered: a sorted set of message_keys by the moment (ms)
-- KEYS[6] what is being delivered: a hash of message_keys, whose values are "<ms> <id> <delivery count> <1 or 0>": the try
--   that has begun last, and whether the end of one before it is not known
-- ARGV[5] how long a delivery is remembered (ms), then for each message its id, delivery count, message_key and the time
--   until it is looked at again, if another of its message_key is being delivered (ms)
-- Reply: for each message "ok", "maybe" (it may have been delivered), "delivered", "busy" (another of its message_key is
--   being delivered: this one is parked, charged no try), "fenced" or "gone"
local delivered, delivering, moment = KEYS[5], KEYS[6], clock()

for key, kind in pairs({ [delivered] = 'zset', [delivering] = 'hash' }) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('ERR key "' .. key .. '" is not a ' .. kind .. ' but a ' .. found .. '; delete it')
  end
end

-- Whether another message than this is being delivered under its message_key, or its worker was not found dead yet.
local function in_flight(try, id)
  local other, count = string.match(try or '', '^(%S+) (%d+)$')
  local p = other and other ~= id and pending(other)
  return p and p[2] ~= parked and p[4] == tonumber(count)
end

local function try(id, count, key, pause)
  local refused = lost(id, count)
  if refused then return refused end
  if redis.call('ZSCORE', delivered, key) then return 'delivered' end
  local mark, own = redis.call('HGET', delivering, key), id .. ' ' .. count
  local before, unknown = string.match(mark or '', '^%d+ (%S+ %d+) ([01])$')
  if in_flight(before, id) then
    give(parked, id, count - 1)
    hand_out_at(id, count - 1, moment + pause)
    return 'busy'
  end
  -- One of this very try is there if the reply of this script was lost.
  if before ~= own then unknown = mark and '1' or '0' end
  redis.call('HSET', delivering, key, moment .. ' ' .. own .. ' ' .. unknown)
  return unknown == '1' and 'maybe' or 'ok'
end

-- A mark stays behind where nobody has come back to its message. Now and then those are removed.
local function tidy()
  local marks = redis.call('HLEN', delivering)
  if marks == 0 or marks % 1000 ~= 0 then return end
  local all = redis.call('HGETALL', delivering)
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], '^%d+')) or 0
    if at < moment - ARGV[5] then redis.call('HDEL', delivering, all[i]) end
  end
end

local reply = {}
for i = 6, #ARGV, 4 do
  reply[#reply + 1] = try(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], tonumber(ARGV[i + 3]))
end
tidy()
redis.call('PEXPIRE', delivering, ARGV[5])
return reply
