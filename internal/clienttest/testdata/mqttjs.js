// Drives MQTT.js for the tests in Go: one command a line comes in as JSON, and
// goes out again as soon as it is done, with the error if there was one.
// Messages that arrive go out as they come.
'use strict'
const readline = require('readline')
const fs = require('fs')
const mqtt = require(process.argv[2])

const clients = new Map()
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')

const commands = {
  connect (c, done) {
    const options = {
      clientId: c.id, clean: !c.keep, protocolVersion: c.version, protocolId: c.version === 3 ? 'MQIsdp' : 'MQTT',
      reconnectPeriod: c.reconnect ? 10 : 0, connectTimeout: 20000, will: c.will, resubscribe: false
    }
    if (c.ca) options.ca = fs.readFileSync(c.ca)
    if (c.version === 5) options.properties = { sessionExpiryInterval: c.keep ? 300 : 0 }
    const client = mqtt.connect(c.url, options)
    client.on('connect', () => done())
    client.on('error', done)
    client.on('close', () => done(new Error('closed before CONNACK')))
    client.on('message', (topic, payload, packet) =>
      say({ peer: c.peer, topic, payload: payload.toString('base64'), qos: packet.qos, retain: packet.retain }))
    clients.set(c.peer, client)
  },
  subscribe (c, done) { clients.get(c.peer).subscribe(c.filter, { qos: c.qos }, done) },
  unsubscribe (c, done) { clients.get(c.peer).unsubscribe(c.filter, done) },
  publish (c, done) {
    let left = c.payloads.length
    for (const payload of c.payloads) {
      clients.get(c.peer).publish(c.topic, payload, { qos: c.qos, retain: c.retain }, (err) => {
        if (err || --left === 0) done(err)
      })
    }
  },
  disconnect (c, done) { clients.get(c.peer).end(false, done) },
  kill (c, done) {
    const client = clients.get(c.peer)
    client.options.reconnectPeriod = 0
    client.stream.destroy()
    done()
  }
}

readline.createInterface({ input: process.stdin, terminal: false }).on('line', (line) => {
  const c = JSON.parse(line)
  let answered = false
  commands[c.op](c, (err) => {
    if (!answered) say({ seq: c.seq, error: err ? String(err.message || err) : '' })
    answered = true
  })
}).on('close', () => process.exit(0))
