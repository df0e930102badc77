-- Begins the handling of a batch of messages: takes the channel's lock where one is wanted, and reports CLAIMED. A
-- message whose lock another holds is parked, charged no try, and scheduled to be looked at again.
--
-- KEYS[4..] keys that ARGV names by position
-- ARGV[5] now (Unix seconds), [6] lock TTL (ms), [7] trace TTL (s), [8] how many messages the batch has, [9] the least and
--   [10] the greatest of their ids, then for each message
--   id, delivery count, lock key's position (0 = none; -1 = one in another Cluster slot, which another holds), token, trace
--   key's position (0 = none), time until it is looked at again (ms)
-- Reply: for each message "ok", "busy" (another holds the lock), "fenced", "gone" or an error's text
local now, lock_ttl, trace_ttl = ARGV[5], ARGV[6], ARGV[7]

local function lock(key, token)
  if redis.call('SET', key, token, 'NX', 'PX', lock_ttl) then return nil end
  local holder = redis.pcall('GET', key)
  if type(holder) == 'table' then return 'key "' .. key .. '" is not a lock: ' .. holder.err end
  if holder ~= token then return 'busy' end
  -- Held by this very token: the reply of an earlier try was lost.
  redis.call('PEXPIRE', key, lock_ttl)
  return nil
end

look_up(ARGV[9], ARGV[10], tonumber(ARGV[8]))

local reply = {}
for i = 11, #ARGV, 6 do
  local id, count, lock_at, token, trace_at = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3], tonumber(ARGV[i + 4])
  local refused = lost(id, count) or lock_at < 0 and 'busy' or nil
  if not refused and lock_at > 0 then refused = lock(KEYS[lock_at], token) end
  if refused == 'busy' then
    give(parked, id, count - 1)
    hand_out_at(id, count - 1, clock() + tonumber(ARGV[i + 5]))
  end
  if not refused and trace_at > 0 then trace(KEYS[trace_at], trace_ttl, 'CLAIMED', now, ARGV[i + 1], '') end
  reply[#reply + 1] = refused or 'ok'
end
return reply
