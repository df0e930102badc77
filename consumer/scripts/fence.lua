-- Looks, before anything is written to other Cluster slots, at which messages of a batch may be committed, and touches
-- them, so that they are not taken while that is done.
--
-- ARGV[5..] for each message its id, delivery count, and its lane where it is to be finished, else ''
-- Reply: for each message "ok", "fenced", "gone", or "overtaken": an earlier message of its channel has turned up since
local reply = {}
for i = 5, #ARGV, 3 do
  local id, count, lane = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local refused = lost(id, count)
  if not refused then
    give(consumer, id, count)
    if lane ~= '' and firsts(lane, '1')[1] ~= id and (first_of(lane) or id) ~= id then refused = 'overtaken' end
  end
  reply[#reply + 1] = refused or 'ok'
end
return reply
