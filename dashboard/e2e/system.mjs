// Listeners, alarms and traces.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { scenario } from './harness.mjs'

const settings = { 'os_mon.sysmem_high_watermark': '0%', 'os_mon.mem_check_interval': '1s' }

await scenario({ settings }, async ({ page, login, open, client, api, until, see, shot }) => {
  const dialog = page.getByRole('dialog')
  await login()

  await open('Trace')
  await page.getByRole('button', { name: 'Start a trace' }).click()
  await dialog.getByLabel('Name').fill('0bad')
  await see('A letter first, then letters, digits, _ and -.')
  await dialog.getByLabel('Name').fill('lamp')
  await dialog.getByLabel('Which').fill('lamp-1')
  await dialog.getByRole('button', { name: 'Start a trace' }).click()
  await page.getByRole('cell', { name: 'running', exact: true }).waitFor()
  const lamp = await client('lamp-1')
  await lamp.subscribeAsync('lamp/1', { qos: 1 })
  await lamp.publishAsync('lamp/1', 'switched on', { qos: 1 })
  await page.getByRole('button', { name: 'View: lamp' }).click()
  await page.locator('pre', { hasText: 'switched on' }).waitFor()
  await shot('trace')
  await page.getByRole('button', { name: 'Stop: lamp' }).click()
  await page.getByRole('cell', { name: 'stopped', exact: true }).waitFor()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download: lamp' }).click()])
  assert.equal(readFileSync(await file.path()).subarray(0, 2).toString(), 'PK', 'the download is a zip file')
  await page.getByRole('button', { name: 'Delete: lamp' }).click()
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await see('Nothing is traced.')

  await open('Alarms')
  await page.getByRole('cell', { name: 'high_system_memory_usage', exact: true }).waitFor()
  await shot('alarms')
  await page.getByRole('button', { name: 'Clear: high_system_memory_usage' }).click()
  await see('Cleared')
  await page.getByRole('tab', { name: 'History' }).click()
  await page.getByRole('cell', { name: 'high_system_memory_usage', exact: true }).first().waitFor()

  await open('Listeners')
  await page.getByRole('cell', { name: 'mqtt:tcp:external', exact: true }).waitFor()
  await lamp.endAsync()
  await page.getByText('normal', { exact: true }).waitFor()
  await client('lamp-2')
  await page.getByRole('button', { name: 'Restart: mqtt:tcp:external' }).click()
  await dialog.getByRole('button', { name: 'Restart' }).click()
  await see('Restarted.')
  await until('its connections have ended', async () => (await api('GET', '/clients')).data.length === 0)
  await shot('listeners')
})
