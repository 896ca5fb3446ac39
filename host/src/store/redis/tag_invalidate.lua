-- Ends the generation of a tag, and remembers when.
-- KEYS: the tag.  ARGV: for how many ms to remember it.  Gives 1, or 0 if the tag was of none.
local key = KEYS[1]
local generation = tag(key)
local noted = redis.pcall('SET', key, NONE .. struct.pack('<I8', micros()), 'PX', ARGV[1])
if noted.err then
  -- A server that is out of memory can still forget.
  redis.call('UNLINK', key)
end
return generation ~= NONE and 1 or 0
