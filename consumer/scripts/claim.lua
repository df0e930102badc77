-- Begins the handling of a batch of messages: takes the channel's lock where one is wanted, and reports CLAIMED. A
-- message whose lock another holds is parked, charged no try, and scheduled to be looked at again.
--
-- KEYS[5..] keys that ARGV names by position
-- ARGV[5] now (Unix seconds), [6] lock TTL (ms), [7] trace TTL (s), [8] how many messages the batch has, [9] the least and
--   [10] the greatest of their ids, then for each message
--   id, delivery count, lock key's position (0 = none; -1 = one in another Cluster slot, which another holds), token, trace
--   key's position (0 = none), time until it is looked at again (ms)
-- Reply: for each message "ok", "busy" (another holds the lock), "fenced", "gone" or an error's text
local now, lock_ttl, trace_ttl = ARGV[5], ARGV[6], ARGV[7]

look_up(ARGV[9], ARGV[10], tonumber(ARGV[8]))

local reply = {}
for i = 11, #ARGV, 6 do
  local id, count, lock_at, token, trace_at = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3], tonumber(ARGV[i + 4])
  local pause = tonumber(ARGV[i + 5])
  local refused = lost(id, count)
  if not refused and lock_at < 0 then
    refused = wait_for_lock(id, count, pause)
  elseif not refused then
    refused = begin(id, count, KEYS[lock_at], token, lock_ttl, pause)
  end
  if not refused and trace_at > 0 then trace(KEYS[trace_at], trace_ttl, 'CLAIMED', now, ARGV[i + 1], '') end
  reply[#reply + 1] = refused or 'ok'
end
return reply
