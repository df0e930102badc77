-- Reads what nobody has read yet, and registers it in the order in the same step: nobody can read a later message of a
-- channel before the earlier one is known. What is not the first of its channel is parked; it is charged no try.
--
-- Unlike a blocked XREADGROUP, a script does nothing behind the back of a worker that has stopped.
--
-- ARGV[5] entries that there is room for, [6] entries that the order may have for more to be read
-- Reply: { state, the last id that the group has read, { id, lane ('' = none), fields }... }, where state is
--   'more'  there may be more, and it is worth to ask again as soon as there is room
--   'none'  there is nothing behind that id yet
--   'full'  so many wait for their turn that no more are read until some are done
local room = tonumber(ARGV[5])
-- So many entries are read in one step, and so many bytes.
local most_read, most_bytes = 1024, 4 * 1024 * 1024

local full, broken = is_full(tonumber(ARGV[6]))
if broken then return broken end
if full then return { 'full', '' } end

-- A few at a time, as long as it is not known how large they are.
local reply, read, bytes, count = { 'more', '' }, 0, 0, 4
while room > 0 and read < most_read and bytes < most_bytes and not is_tired() do
  local asked = math.min(room, count)
  local got = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', asked, 'STREAMS', stream, '>')
  if got and got.err then return redis.error_reply(got.err) end
  local entries = got and got[1][2] or {}
  for _, entry in ipairs(entries) do
    local id, fields = entry[1], entry[2]
    local lane = lane_of(fields)
    if not lane or register(id, lane) then
      reply[#reply + 1] = { id, lane or '', fields }
      room = room - 1
    end
    read = read + 1
    for _, f in ipairs(fields) do bytes = bytes + #f end
  end
  if #entries < asked then
    reply[1] = 'none'
    break
  end
  count = bytes < read * 16384 and 32 or 4
end
local g = group_info()
reply[2] = g and g['last-delivered-id'] or ''
return reply
