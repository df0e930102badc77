-- Takes, renews or releases a lock that is in another Cluster slot than the stream. It stands alone, without prelude.lua.
--
-- KEYS[1] the lock
-- ARGV[1] "take", "renew" or "release", [2] token, [3] TTL (ms)
-- Reply: { "ok", "busy" (another holds it, or nobody does) or an error's text }
local verb, token = ARGV[1], ARGV[2]
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' then return { 'key "' .. KEYS[1] .. '" is not a lock: ' .. holder.err } end
if verb == 'take' then
  if holder and holder ~= token then return { 'busy' } end
  -- Held by this very token: the reply of an earlier try was lost.
  redis.call('SET', KEYS[1], token, 'PX', ARGV[3])
elseif holder ~= token then
  return { 'busy' }
elseif verb == 'renew' then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return { 'ok' }
