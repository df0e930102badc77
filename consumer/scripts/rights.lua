-- Asks whether the Redis user has every right that the other scripts rely on, so that a lack shows before the
-- first message is read, and not between two writes. Redis before 7.0 can't be asked.
--
-- KEYS[1] stream, KEYS[2] dead letters, KEYS[3] ledger, KEYS[4] schedule, KEYS[5] audit hash,
--   KEYS[6] the audit hash before it, KEYS[7..] keys that ARGV names by position
-- ARGV[1] group, [2] consumer, [3] a channel lock's position (0 = none), [4] a trace hash's position (0 = none)
-- Reply: the commands that the user may not run
local lock, trace_hash, missing = KEYS[tonumber(ARGV[3])], KEYS[tonumber(ARGV[4])], {}

local function need(...)
  if redis.acl_check_cmd and not redis.acl_check_cmd(...) then missing[#missing + 1] = table.concat({ ... }, ' ', 1, math.min(2, select('#', ...))) end
end

need('XPENDING', stream, group, '-', '+', 1)
need('XRANGE', stream, '-', '+')
need('XACK', stream, group, '0-1')
need('XCLAIM', stream, group, consumer, 0, '0-1')
need('XINFO', 'CONSUMERS', stream, group)
need('XINFO', 'GROUPS', stream)
need('XGROUP', 'DELCONSUMER', stream, group, consumer)
need('XREADGROUP', 'GROUP', group, consumer, 'STREAMS', stream, '>')
need('TYPE', KEYS[2])
need('XADD', KEYS[2], '*', 'data', '')
need('HMGET', KEYS[3], 'batch')
need('HSET', KEYS[3], 'batch', '')
need('PEXPIRE', KEYS[3], 1)
need('ZADD', KEYS[4], 0, '')
need('ZREM', KEYS[4], '')
need('ZSCORE', KEYS[4], '')
need('ZRANGE', KEYS[4], 0, 0)
need('ZRANGEBYSCORE', KEYS[4], 0, 0)
need('PTTL', KEYS[4])
need('PEXPIRE', KEYS[4], 1)
need('TIME')
need('HLEN', KEYS[5])
need('RENAME', KEYS[5], KEYS[6])
need('EXPIRE', KEYS[5], 1)
if lock then
  need('GET', lock)
  need('SET', lock, '')
  need('PEXPIRE', lock, 1)
  need('DEL', lock)
end
if trace_hash then
  need('HSET', trace_hash, 'state', '')
  need('HDEL', trace_hash, 'error')
  need('TTL', trace_hash)
  need('EXPIRE', trace_hash, 1)
end
return missing
