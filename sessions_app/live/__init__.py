"""The live feed: one hub per web process hears of changes and beats and keeps every open page current."""
