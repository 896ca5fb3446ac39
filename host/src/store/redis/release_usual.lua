-- What release.lua nearly always comes to, before the functions are made that the other cases need: the token holds the lock, no place is
-- given up or passed to, and nobody waits or the first who waits can be told. Numbers stay texts, as in acquire_usual.lua. When there is
-- much to do elsewhere, what a script costs is the code that it goes through, so it has as few commands as can be.

-- The fence that somebody was told who was not counted as listening, and whom, as in hand_on_one.
local told, deaf
if not ARGV[3] and #ARGV[1] >= 16 then
  local found = redis.call('MGET', KEYS[1], KEYS[2])
  local kept, note = found[2], ' -' .. string.sub(ARGV[1], 1, 16)
  -- One that released the lock before may have it again, by a place that it had left behind, and is noted once.
  if found[1] == ARGV[1] and kept and #kept % 18 == 16 and not string.find(kept, note, 17, true) then
    local notes = note .. string.sub(kept, 17, 142)
    -- The first write, which a server out of memory does not refuse; after it, it refuses none of this script.
    local first = redis.pcall('ZPOPMIN', KEYS[3])
    local place = first[1]
    if not place and not first.err then
      redis.call('DEL', KEYS[1])
      redis.call('SET', KEYS[2], string.sub(kept, 1, 16) .. notes, 'PX', '86400000')
      return {1}
    end
    local token, lease, brief, client = string.match(place or '', '^(%S+) (%S+) (%S+) (%S+) %S+$')
    local time = redis.call('TIME')
    local fence = time[1] .. string.sub('00000' .. time[2], -6)
    local alive = token and redis.pcall('ZSCORE', KEYS[4], client)
    if type(alive) == 'string' and tonumber(alive) > tonumber(string.sub(fence, 1, -4)) and #fence == 16 and fence > string.sub(kept, 1, 16) then
      local heard = redis.pcall(ARGV[2], KEYS[5] .. client, token .. ' ' .. fence)
      if type(heard) == 'number' and heard > 0 then
        if lease ~= '-' and tonumber(lease) < tonumber(brief) then
          brief = lease
        end
        redis.call('SET', KEYS[1], token, 'PX', brief)
        redis.call('SET', KEYS[2], fence .. notes, 'PX', '86400000')
        return {1}
      end
      if type(heard) == 'number' then
        told, deaf = fence, {[client] = true}
      end
    end
    if place then
      -- It may have been the only one, and then its key is a new one.
      redis.call('ZADD', KEYS[3], first[2], place)
      if brief and redis.call('PTTL', KEYS[3]) < 0 then
        redis.call('PEXPIRE', KEYS[3], brief)
      end
    end
  end
end

