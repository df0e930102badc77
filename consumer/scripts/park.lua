-- Shows messages that were fetched but have to wait for others of their channel with one delivery less, so that they
-- are charged nothing should their worker die before they are begun. claim.lua counts the try.
--
-- KEYS[1] stream
-- ARGV[1] group, [2] consumer, then for each message its id and delivery count
-- Reply: how many were parked
local parked = 0
for i = 3, #ARGV, 2 do
  local id, count = ARGV[i], tonumber(ARGV[i + 1])
  local refused, shown = lost(id, count)
  if not refused and shown == count then
    touch(id, count - 1)
    parked = parked + 1
  end
end
return parked
