// The part of mongosh's language that health checks and seed scripts use. Values cross to the
// driver as MongoDB's extended JSON.
'use strict';

class ObjectId {
    constructor(hex) { this.$oid = hex || _newId(); }
    toString() { return this.$oid; }
    toHexString() { return this.$oid; }
}
Date.prototype.toJSON = function () { return {$date: this.toISOString()}; };

globalThis.ObjectId = new Proxy(ObjectId, {apply: (type, self, args) => new type(...args)});
globalThis.ISODate = (text) => text ? new Date(text) : new Date();
globalThis.NumberInt = (n) => ({$numberInt: String(n)});
globalThis.NumberLong = (n) => ({$numberLong: String(n)});
globalThis.NumberDecimal = (n) => ({$numberDecimal: String(n)});
globalThis.process = {env: _environment, exit: quit};
globalThis.printjson = (value) => print(typeof value === 'string' ? value : JSON.stringify(value, null, 2));
globalThis.console = {log: print, error: print, info: print, warn: print};

const revive = (key, value) =>
    value && value.$oid ? new ObjectId(value.$oid) : value && value.$date ? new Date(value.$date) : value;

const run = (database, command) => {
    const reply = JSON.parse(_run(database, JSON.stringify(command)), revive);
    const {_error, code, codeName} = reply;
    if (_error) throw Object.assign(new Error(_error), {name: 'MongoServerError', code, codeName});
    return reply;
};

class Cursor {
    constructor(collection, command) { Object.assign(this, {collection, command}); }
    with(part) { Object.assign(this.command, part); return this; }
    sort(sort) { return this.with({sort}); }
    limit(limit) { return this.with({limit}); }
    skip(skip) { return this.with({skip}); }
    toArray() {
        let {cursor} = this.collection.run(this.command), found = cursor.firstBatch;
        while (Number(cursor.id)) {
            ({cursor} = this.collection.run({
                getMore: NumberLong(cursor.id), collection: this.collection.name}));
            found = found.concat(cursor.nextBatch);
        }
        return found;
    }
    forEach(action) { this.toArray().forEach(action); }
    map(change) { return this.toArray().map(change); }
    toJSON() { return this.toArray(); }
    [Symbol.iterator]() { return this.toArray()[Symbol.iterator](); }
}

class Collection {
    constructor(database, name) { Object.assign(this, {database, name}); }
    run(command) { return run(this.database, command); }

    insertMany(list) {
        const documents = list.map((each) => ({_id: new ObjectId(), ...each}));
        this.run({insert: this.name, documents});
        return {acknowledged: true, insertedIds: documents.map((each) => each._id)};
    }
    insertOne(document) {
        return {acknowledged: true, insertedId: this.insertMany([document]).insertedIds[0]};
    }
    delete_(q, limit) {
        return {acknowledged: true, deletedCount: this.run({delete: this.name, deletes: [{q, limit}]}).n};
    }
    deleteOne(filter) { return this.delete_(filter, 1); }
    deleteMany(filter) { return this.delete_(filter, 0); }
    update_(q, u, multi, {upsert = false} = {}) {
        const {n, nModified} = this.run({update: this.name, updates: [{q, u, multi, upsert}]});
        return {acknowledged: true, matchedCount: n, modifiedCount: nModified};
    }
    updateOne(filter, update, options) { return this.update_(filter, update, false, options); }
    updateMany(filter, update, options) { return this.update_(filter, update, true, options); }
    replaceOne(filter, document, options) { return this.update_(filter, document, false, options); }

    find(filter = {}, projection = {}) {
        return new Cursor(this, {find: this.name, filter, projection});
    }
    findOne(filter, projection) { return this.find(filter, projection).limit(1).toArray()[0] || null; }
    aggregate(pipeline) {
        return new Cursor(this, {aggregate: this.name, pipeline, cursor: {}});
    }
    countDocuments(query = {}) { return this.run({count: this.name, query}).n; }
    estimatedDocumentCount() { return this.countDocuments(); }
    distinct(key, query = {}) { return this.run({distinct: this.name, key, query}).values; }

    createIndex(key, options = {}) {
        const name = options.name || Object.entries(key).map((part) => part.join('_')).join('_');
        this.run({createIndexes: this.name, indexes: [{...options, key, name}]});
        return name;
    }
    createIndexes(keys, options) { return keys.map((key) => this.createIndex(key, options)); }
    getIndexes() { return new Cursor(this, {listIndexes: this.name}).toArray(); }
    drop() { this.run({drop: this.name}); return true; }
}

class Database {
    constructor(name) { this.name = name; }
    getName() { return this.name; }
    getSiblingDB(name) { return database(name); }
    getCollection(name) { return new Collection(this.name, name); }
    getCollectionNames() {
        return new Cursor(new Collection(this.name, '$cmd.listCollections'), {listCollections: 1})
            .map((each) => each.name);
    }
    runCommand(command) { return run(this.name, typeof command === 'string' ? {[command]: 1} : command); }
    adminCommand(command) { return database('admin').runCommand(command); }
    createCollection(name, options = {}) { return this.runCommand({create: name, ...options}); }
    createUser({user, ...rest}) { return this.runCommand({createUser: user, ...rest}); }
    dropDatabase() { return this.runCommand('dropDatabase'); }
    hello() { return this.runCommand('hello'); }
    isMaster() { return this.runCommand('isMaster'); }
    version() { return this.runCommand('buildInfo').version; }
}

// A name that a database does not know is a collection: db.orders.
const database = (name) => new Proxy(new Database(name), {
    get: (self, key) => key in self || typeof key === 'symbol' ? self[key] : self.getCollection(key),
});

globalThis.db = database(_database);
globalThis.use = (name) => { globalThis.db = database(name); };
globalThis.rs = {
    status: () => db.adminCommand('replSetGetStatus'),
    initiate: (config = {}) => db.adminCommand({replSetInitiate: config}),
};
