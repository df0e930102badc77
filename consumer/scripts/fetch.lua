-- Reads what nobody has read yet, and registers it in the order in the same step: nobody can read a later message of a
-- channel before the earlier one is known. What is not the first of its channel is parked; it is charged no try.
--
-- Unlike a blocked XREADGROUP, a script does nothing behind the back of a worker that has stopped.
--
-- ARGV[5] entries that there is room for, [6] entries that the order may have for more to be read
-- Reply: { last, { id, lane ('' = none), fields }... }, where last is
--   ''      there may be more, and it is worth to ask again as soon as there is room
--   'full'  so many wait for their turn that no more are read until some are done
--   else    the last id that the group has read: there is nothing behind it yet
local room = tonumber(ARGV[5])
-- So many entries are read in one step, and so many bytes.
local most_read, most_bytes = 1024, 4 * 1024 * 1024

local function last_read()
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local g = {}
    for i = 1, #flat, 2 do g[flat[i]] = flat[i + 1] end
    if g.name == group then return g['last-delivered-id'] end
  end
  return ''
end

-- Registers an entry. It returns its lane, and whether it may run.
local function register(id, fields)
  local lane = lane_of(fields)
  if not lane then return '', true end
  redis.call('ZADD', order, '0', member(lane, id))
  if is_next(lane, id) then return lane, true end
  redis.call('XCLAIM', stream, group, parked, 0, id, 'RETRYCOUNT', 0, 'JUSTID')
  return lane, false
end

local known = redis.pcall('ZCARD', order)
if type(known) == 'table' then
  return redis.error_reply('ERR key "' .. order .. '" is no order of channels; delete it: ' .. known.err)
end
if known >= tonumber(ARGV[6]) then return { 'full' } end

-- A few at a time, as long as it is not known how large they are.
local reply, read, bytes, count = { '' }, 0, 0, 4
while room > 0 and read < most_read and bytes < most_bytes and not is_tired() do
  local got = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', math.min(room, count), 'STREAMS', stream, '>')
  if not got then
    reply[1] = last_read()
    return reply
  end
  if got.err then return redis.error_reply(got.err) end
  for _, entry in ipairs(got[1][2]) do
    local id, fields = entry[1], entry[2]
    local lane, runs = register(id, fields)
    if runs then
      reply[#reply + 1] = { id, lane, fields }
      room = room - 1
    end
    read = read + 1
    for _, f in ipairs(fields) do bytes = bytes + #f end
  end
  count = bytes < read * 16384 and 32 or 4
end
return reply
