-- Touches everything that is in flight, so that no peer takes it for abandoned, and renews the locks that are held.
-- It checks that each is still ours first: an unguarded XCLAIM would steal it back from whom it was given to.
--
-- KEYS[1] stream, KEYS[2..] lock keys that ARGV names by position
-- ARGV[1] group, [2] consumer, [3] lock TTL (ms), then for each message
--   id, delivery count, lock key's position (0 = none), token
-- Reply: for each message "ok", "fenced" (another's by now, or its lock is), or "gone"
local reply = {}
for i = 4, #ARGV, 4 do
  local id, count, key, token = ARGV[i], tonumber(ARGV[i + 1]), KEYS[tonumber(ARGV[i + 2])], ARGV[i + 3]
  local verdict = lost(id, count)
  if not verdict and key then
    if redis.pcall('GET', key) == token then redis.call('PEXPIRE', key, ARGV[3]) else verdict = 'fenced' end
  end
  -- XCLAIM takes an entry that was trimmed away out of the pending list, and with it the right to commit it.
  -- RETRYCOUNT keeps the delivery count, also where JUSTID alone does not.
  if not verdict and redis.call('XRANGE', stream, id, id, 'COUNT', 1)[1] then
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', count, 'JUSTID')
  end
  reply[#reply + 1] = verdict or 'ok'
end
return reply
