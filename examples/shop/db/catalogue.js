// The teas in the catalogue. Prices are in cents, for a tin of 100 g; the colour is that of the tea in the cup.
db.products.deleteMany({});
db.products.createIndex({"sku": 1}, {"unique": true});
db.products.insertMany([
  {"sku": "assam",     "name": "Assam Second Flush", "origin": "Assam, India",      "price": 890,  "colour": "#8a3b12", "notes": "Malt, dried fig, takes milk well"},
  {"sku": "hojicha",   "name": "Hojicha",            "origin": "Kyoto, Japan",      "price": 950,  "colour": "#a8642a", "notes": "Roasted green tea, hazelnut, cocoa"},
  {"sku": "jasmine",   "name": "Jasmine Pearls",     "origin": "Fujian, China",     "price": 1650, "colour": "#dcc878", "notes": "Hand rolled, scented over six nights"},
  {"sku": "rooibos",   "name": "Rooibos",            "origin": "Cederberg, South Africa", "price": 690, "colour": "#b0401c", "notes": "No caffeine, vanilla, honey"},
  {"sku": "sencha",    "name": "Sencha",             "origin": "Shizuoka, Japan",   "price": 1290, "colour": "#b9c255", "notes": "First harvest, cut grass, sea air"},
  {"sku": "tieguanyin", "name": "Tieguanyin Oolong", "origin": "Anxi, China",       "price": 1480, "colour": "#d9a441", "notes": "Orchid, butter, good for five infusions"}
]);
