-- Asks whether the Redis user has every right that the other scripts rely on, so that a lack shows before the
-- first message is read, and not between two writes. Redis before 7.0 can't be asked.
--
-- KEYS[5] dead letters, KEYS[6] ledger, KEYS[7] audit hash, KEYS[8] the audit hash before it, KEYS[9..] keys that ARGV
--   names by position
-- ARGV[5] a channel lock's position (0 = none), [6] a trace hash's position (0 = none), [7] a position
--   of a plugin's state, [8] that of what was delivered (0 = none), [9] that of what is being delivered
-- Reply: the commands that the user may not run
local lock, trace_hash, state, missing = KEYS[tonumber(ARGV[5])], KEYS[tonumber(ARGV[6])], KEYS[tonumber(ARGV[7])], {}
local delivered, delivering = KEYS[tonumber(ARGV[8])], KEYS[tonumber(ARGV[9])]

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
need('XGROUP', 'SETID', stream, group, '0')
need('XREADGROUP', 'GROUP', group, consumer, 'STREAMS', stream, '>')
need('XREAD', 'STREAMS', stream, '0')
need('TYPE', KEYS[5])
need('XADD', KEYS[5], '*', 'data', '')
need('HMGET', KEYS[6], 'batch')
need('HSET', KEYS[6], 'batch', '')
need('PEXPIRE', KEYS[6], 1)
need('DEL', KEYS[6])
need('ZADD', schedule, 0, '')
need('ZREM', schedule, '')
need('ZSCORE', schedule, '')
need('ZRANGE', schedule, 0, 0)
need('ZRANGEBYSCORE', schedule, 0, 0)
need('PTTL', schedule)
need('PEXPIRE', schedule, 1)
need('ZCARD', order)
need('ZADD', order, 0, '')
need('ZREM', order, '')
need('ZSCORE', order, '')
need('ZRANGEBYLEX', order, '-', '+')
need('ZRANGE', order, '0', '-1')
need('HLEN', lanes)
need('HGET', lanes, '')
need('HMGET', lanes, '')
need('HSET', lanes, '', '')
need('HDEL', lanes, '')
need('HSCAN', lanes, '0')
need('TIME')
need('HLEN', KEYS[7])
need('RENAME', KEYS[7], KEYS[8])
need('EXPIRE', KEYS[7], 1)
need('GET', state)
need('SET', state, '')
need('DEL', state)
need('TYPE', state)
if lock then
  need('GET', lock)
  need('MGET', lock)
  need('SET', lock, '')
  need('PEXPIRE', lock, 1)
  need('DEL', lock)
end
if trace_hash then
  need('HSET', trace_hash, 'state', '')
  need('HDEL', trace_hash, 'error')
  need('TTL', trace_hash)
  need('PEXPIREAT', trace_hash, 1)
end
if delivered then
  need('ZSCORE', delivered, '')
  need('ZADD', delivered, 0, '')
  need('ZREMRANGEBYSCORE', delivered, 0, 0)
  need('ZREMRANGEBYRANK', delivered, 0, 0)
  need('PEXPIRE', delivered, 1)
  need('HGET', delivering, '')
  need('HGETALL', delivering)
  need('HSET', delivering, '', '')
  need('HDEL', delivering, '')
  need('HLEN', delivering)
  need('PEXPIRE', delivering, 1)
end
return missing
