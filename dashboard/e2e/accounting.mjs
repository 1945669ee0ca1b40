// What became of every message: the equation, why deliveries were dropped and
// whose, slow subscribers, and the counts of single topics.
import assert from 'node:assert/strict'
import { scenario } from './harness.mjs'

// A session in memory has a bound of its own.
const settings = { 'zone.external.session_durability': 'memory', 'zone.external.max_mqueue_len': '2', 'module.slow_subs': 'on', 'module.slow_subs.threshold': '1ms' }

await scenario({ settings }, async ({ page, login, open, client, until, see, shot }) => {
  // The historian is away, with room for two messages of five.
  const historian = await client('historian', { clean: false, properties: { sessionExpiryInterval: 3600 } })
  await historian.subscribeAsync('site/#', { qos: 1 })
  await historian.endAsync()
  const publisher = await client('publisher')
  for (let i = 0; i < 5; i++) await publisher.publishAsync('site/1', String(i), { qos: 1 })
  await publisher.publishAsync('nobody/listens', 'x', { qos: 1 })

  await login()
  await open('Accounting')
  const tile = (name) => page.locator('.stat', { has: page.getByText(name, { exact: true }) }).locator('.stat-value')
  await until('five deliveries are matched', async () => (await tile('Matched').innerText()) === '5')
  assert.equal(await tile('Waiting').innerText(), '2')
  assert.equal(await tile('Dropped').innerText(), '3')
  await see('The books balance: nothing is lost.')
  await page.getByRole('row', { name: /no_subscribers.* 1 / }).waitFor()
  await shot('ledger')
  const dialog = page.getByRole('dialog')
  await page.getByRole('row', { name: /queue_full/ }).getByRole('button', { name: 'Who' }).click()
  await dialog.getByRole('row', { name: 'historian 3' }).waitFor()
  await dialog.getByRole('row', { name: 'site/1 3' }).waitFor()
  await shot('who')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Forget the tops' }).click()
  await dialog.getByRole('button', { name: 'Forget the tops' }).click()
  await see('The lists begin anew.')
  await until('nobody is named', async () => (await page.getByRole('button', { name: 'Who' }).count()) === 0)

  await page.getByRole('tab', { name: 'Slow subscribers' }).click()
  await see('No subscriber is slow.')
  const back = await client('historian', { clean: false, properties: { sessionExpiryInterval: 3600 } }) // takes what has waited for long
  await page.getByRole('row', { name: /historian.*site\/1/ }).waitFor()
  await back.endAsync()
  await page.getByRole('button', { name: 'Clear' }).click()
  await dialog.getByRole('button', { name: 'Clear' }).click()
  await see('The list is empty.')

  await page.getByRole('tab', { name: 'Topic metrics' }).click()
  await page.getByRole('button', { name: 'Count a topic' }).click()
  await dialog.getByLabel('Topic').fill('site/+')
  await dialog.getByRole('button', { name: 'Count', exact: true }).click()
  await dialog.getByRole('alert').waitFor()
  await dialog.getByLabel('Topic').fill('site/1')
  await dialog.getByRole('button', { name: 'Count', exact: true }).click()
  await dialog.waitFor({ state: 'detached' })
  await publisher.publishAsync('site/1', 'counted', { qos: 1 })
  const row = page.getByRole('row', { name: /site\/1/ })
  await until('the message is counted', async () => /site\/1\s+1\s/.test(await row.innerText()))
  await shot('topics')
  await row.getByRole('button', { name: /Stop counting/ }).click()
  await dialog.getByRole('button', { name: 'Stop counting' }).click()
  await see('No topic is counted yet.')
})
