trim(1000)
return {'ok'}
