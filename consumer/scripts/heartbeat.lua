-- Touches everything that is in flight, so that no peer takes it for abandoned, and renews the locks that are held.
-- It checks that each is still ours first: an unguarded XCLAIM would steal it back from whom it was given to.
--
-- KEYS[5..] lock keys that ARGV names by position
-- ARGV[5] lock TTL (ms), then for each message its id, delivery count, lock key's position (0 = none), token
-- Reply: for each message "ok", "fenced" (another's by now, or its lock is), or "gone"
local reply = {}
for i = 6, #ARGV, 4 do
  local id, count, key, token = ARGV[i], tonumber(ARGV[i + 1]), KEYS[tonumber(ARGV[i + 2])], ARGV[i + 3]
  local verdict = lost(id, count)
  if not verdict and key then
    if redis.pcall('GET', key) == token then redis.call('PEXPIRE', key, ARGV[5]) else verdict = 'fenced' end
  end
  if not verdict then give(consumer, id, count) end
  reply[#reply + 1] = verdict or 'ok'
end
return reply
