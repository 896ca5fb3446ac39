-- What acquire.lua nearly always comes to, before the functions are made that the other cases need: the lock is free, its fence is older
-- than now, and the token is in no note. Numbers stay texts, as it takes longer to make them than all else that is done here.
local taken
if ARGV[6] ~= 'fair' and #ARGV[1] >= 16 then
  local kept = redis.pcall('GET', KEYS[2])
  -- A fence of 16 digits, as they are from 2001 to 2286, and notes. What is no fence is as good as lost, or is seen to below.
  if type(kept) == 'string' and #kept % 18 == 16 and not string.find(kept, string.sub(ARGV[1], 1, 16), 17, true) then
    local time = redis.call('TIME')
    local fence = time[1] .. string.sub('00000' .. time[2], -6)
    if #fence == 16 and fence > string.sub(kept, 1, 16) then
      if ARGV[2] == '' then
        taken = redis.call('SET', KEYS[1], ARGV[1], 'NX')
      else
        taken = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
      end
      if taken then
        if ARGV[2] == '' then
          redis.call('SET', KEYS[2], fence .. string.sub(kept, 17))
        else
          redis.call('SET', KEYS[2], fence .. string.sub(kept, 17), 'PX', ARGV[3])
        end
        if ARGV[5] == 'join' then
          redis.pcall('ZREM', KEYS[3], ARGV[4])
        end
        return {1, tonumber(fence)}
      end
    end
  end
end

