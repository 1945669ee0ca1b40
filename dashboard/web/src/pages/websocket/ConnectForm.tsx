import { useState } from 'react'
import { useGet } from '../../api/hooks'
import { Button } from '../../components/Button'
import { Checkbox, Input, Password, Select } from '../../components/Field'
import { Card } from '../../components/Page'
import { useText } from '../../i18n/i18n'
import { addressOf, type Settings, type State } from './connection'
import { text } from './text'

interface NodeListeners {
  node: string
  listeners: { protocol: string; listen_on: string }[]
}

const randomID = () => `dashboard-${crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36)}`

export function ConnectForm({ state, onConnect, onDisconnect }: { state: State; onConnect: (s: Settings) => void; onDisconnect: () => void }) {
  const t = useText(text)
  const nodes = useGet<NodeListeners[]>('/listeners')
  const found = addressOf(nodes.data?.data.flatMap((n) => n.listeners) ?? [], location)
  const [typed, type] = useState<string>()
  const [clientId, setClientID] = useState(randomID)
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const [keepalive, setKeepalive] = useState('60')
  const [version, setVersion] = useState<'4' | '5'>('5')
  const [clean, setClean] = useState(true)

  const url = typed ?? found ?? ''
  const wrong = url !== '' && !/^wss?:\/\/./.test(url)
  const closed = state === 'closed'
  const connect = () => onConnect({ url, clientId, username, password, keepalive: Number(keepalive), version: version === '5' ? 5 : 4, clean })
  return (
    <Card title={t.connection}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault()
          if (closed && !wrong) connect()
        }}
      >
        <fieldset className="form-row plain" disabled={!closed}>
          <Input
            label={t.address}
            value={url}
            onChange={type}
            required
            placeholder="ws://broker:8083/mqtt"
            hint={nodes.data && !found ? t.noListener : t.addressHint}
            error={wrong ? t.badAddress : undefined}
          />
          <Input label={t.clientid} value={clientId} onChange={setClientID} />
          <Input label={t.username} value={username} onChange={setUsername} />
          <Password label={t.password} value={password} onChange={setPassword} autoComplete="off" />
          <Input label={t.keepalive} type="number" min={0} max={65535} required value={keepalive} onChange={setKeepalive} />
          <Select
            label={t.version}
            value={version}
            onChange={setVersion}
            options={[
              ['5', 'MQTT 5.0'],
              ['4', 'MQTT 3.1.1'],
            ]}
          />
          <Checkbox label={t.clean} checked={clean} onChange={setClean} disabled={!closed} />
        </fieldset>
        <div className="actions">
          {closed ? (
            <Button type="submit" look="primary" icon="play">
              {t.connect}
            </Button>
          ) : (
            <Button icon="stop" onClick={onDisconnect}>
              {t.disconnect}
            </Button>
          )}
        </div>
      </form>
    </Card>
  )
}
