-- Tells which generation a tag is of, and begins one if it is of none (envelope/tags.rs).
-- KEYS: the tag.  ARGV: a new generation, for how many ms an entry of it is kept or ''.
-- Gives the generation, and how many microseconds ago the tag was invalidated, or -1.
local key, fresh, kept = KEYS[1], ARGV[1], tonumber(ARGV[2])
local generation, invalidated = tag(key)
local left = redis.call('PTTL', key)
if generation == NONE then
  generation = fresh
  local state = fresh .. struct.pack('<I8', invalidated)
  if kept then
    -- Longer than needed, so that not every entry has it prolonged.
    redis.call('SET', key, state, 'PX', math.max(2 * kept, left))
  else
    redis.call('SET', key, state)
  end
elseif left >= 0 and not kept then
  redis.call('PERSIST', key)
elseif left >= 0 and left < kept then
  redis.call('PEXPIRE', key, 2 * kept)
end
return {generation, invalidated > 0 and math.max(0, micros() - invalidated) or -1}
