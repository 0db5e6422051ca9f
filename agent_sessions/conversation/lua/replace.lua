-- Writes the whole text when it was not changed since. ARGV from 5: the stamp it must have ('' for any), text, how many turns,
-- question, language.
if ARGV[5] ~= '' and ARGV[5] ~= stamp() then return {'changed'} end
if redis.call('STRLEN', TEXT) == 0 then redis.call('DEL', ABOUT) end
redis.call('SET', TEXT, ARGV[6])
return {'ok', written({'turns', ARGV[7], 'question', ARGV[8], 'language', ARGV[9]})}
