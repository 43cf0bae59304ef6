db.items.insertOne({})
