-- Begins the handling of a batch of messages: takes the channel's lock where one is wanted, and reports CLAIMED. From
-- here on the try counts: a message that must wait for the lock is shown with one delivery less until it is begun, so
-- that it is charged nothing should its worker die before.
--
-- KEYS[1] stream, KEYS[2..] keys that ARGV names by position
-- ARGV[1] group, [2] consumer, [3] now (Unix seconds), [4] lock TTL (ms), [5] trace TTL (s), then for each message
--   id, delivery count, lock key's position (0 = none), token, trace key's position (0 = none)
-- Reply: for each message "ok", "busy" (another holds the lock), "fenced", "gone" or an error's text
local now, lock_ttl, trace_ttl = ARGV[3], ARGV[4], ARGV[5]

local function lock(key, token)
  local holder = redis.pcall('GET', key)
  if type(holder) == 'table' then return 'key "' .. key .. '" is not a lock: ' .. holder.err end
  if holder and holder ~= token then return 'busy' end
  -- Held by this very token: the reply of an earlier try was lost.
  redis.call('SET', key, token, 'PX', lock_ttl)
  return nil
end

local reply = {}
for i = 6, #ARGV, 5 do
  local id, count, lock_at, token, trace_at = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3], tonumber(ARGV[i + 4])
  local refused, shown = lost(id, count)
  if not refused and lock_at > 0 then refused = lock(KEYS[lock_at], token) end
  if not refused and shown ~= count then touch(id, count) end
  if refused == 'busy' and shown == count then touch(id, count - 1) end
  if not refused and trace_at > 0 then trace(KEYS[trace_at], trace_ttl, 'CLAIMED', now, count, '') end
  reply[#reply + 1] = refused or 'ok'
end
return reply
