// Two clients of one record: what the first writes, the second sees. A record without permission is refused.
import { DeepstreamClient } from '@deepstream/client'

const connect = async () => {
  const client = new DeepstreamClient(process.argv[2] ?? process.env.DEEPSTREAM_URL)
  await client.login()
  return client
}
const [first, second] = await Promise.all([connect(), connect()])
const text = `hello from the first`

const theirs = second.record.getRecord('note')
await theirs.whenReady()
const changed = new Promise((resolve) => theirs.subscribe('text', (value) => value === text && resolve(value)))
const ours = first.record.getRecord('note')
await ours.whenReady()
await ours.setWithAck('text', text)
console.log('the second client sees:', await changed)

const refused = new Promise((resolve) => first.on('error', (_, event) => resolve(event)))
first.record.getRecord('secret')
console.log('the record "secret" is refused:', await refused)
process.exit(0)
