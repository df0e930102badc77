-- Removes consumers that are dead from the group, but none that has pending entries: XGROUP DELCONSUMER destroys those.
-- Their ledgers go with them. Should one live after all and ask again for a commit's reply, it hears that the message is
-- gone; nothing is written twice for it.
--
-- ARGV[5] begin of the names that may be removed, [6] idle time of the dead (ms), [7] begin of the ledgers' keys
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
    redis.pcall('DEL', ARGV[7] .. c.name)
    removed[#removed + 1] = c.name
  end
end
return removed
