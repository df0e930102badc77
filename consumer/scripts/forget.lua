-- Removes consumers that are dead from the group, but none that has pending entries: XGROUP DELCONSUMER destroys those.
--
-- ARGV[5] begin of the names that may be removed, [6] idle time of the dead (ms)
-- Reply: the names that were removed
local removed = {}
local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
if consumers.err then return removed end
for _, flat in ipairs(consumers) do
  local c = {}
  for i = 1, #flat, 2 do c[flat[i]] = flat[i + 1] end
  -- One that has never acted has no idle time: -1 in the embedded server.
  if string.sub(c.name, 1, #ARGV[5]) == ARGV[5] and c.pending == 0 and math.max(c.idle, 0) >= tonumber(ARGV[6]) then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, c.name)
    removed[#removed + 1] = c.name
  end
end
return removed
