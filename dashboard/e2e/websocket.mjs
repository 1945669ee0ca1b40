// The client of the browser is one like any other.
import assert from 'node:assert/strict'
import { scenario } from './harness.mjs'

await scenario({}, async ({ page, broker, login, open, client, api, until, see, shot }) => {
  const friend = await client('friend')
  await friend.subscribeAsync('test/#', { qos: 1 })
  const got = []
  friend.on('message', (topic, payload) => got.push(`${topic} ${payload}`))

  await login()
  await open('WebSocket client')
  const connect = page.getByRole('button', { name: 'Connect', exact: true })
  await until('the address of the listener is filled in', async () => (await page.getByLabel('Address').inputValue()) === broker.ws)
  await page.getByLabel('Client id').fill('browser')
  await connect.click()
  await page.getByRole('button', { name: 'Disconnect' }).waitFor()
  assert.equal((await until('the broker knows it', async () => (await api('GET', '/clients/browser')).data[0])).proto_ver, 5)

  await page.getByRole('button', { name: 'Subscribe', exact: true }).click()
  await page.getByRole('button', { name: 'Unsubscribe: test/#' }).waitFor()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await page.getByRole('cell', { name: 'published', exact: true }).waitFor()
  await page.getByRole('cell', { name: 'received', exact: true }).waitFor()
  await until('its message arrives', () => got.includes('test/1 { "hello": "world" }'))
  await friend.publishAsync('test/2', 'hello back', { qos: 1 })
  await page.getByRole('cell', { name: 'hello back', exact: true }).waitFor()
  await shot('connected')

  await api('DELETE', '/clients/browser')
  await see(/The broker ended the connection: administrative action/)
  await connect.waitFor()
  await page.getByLabel('Address').fill('http://nowhere')
  await see('An address begins with ws:// or wss://.')
})
