mod dummy{}
