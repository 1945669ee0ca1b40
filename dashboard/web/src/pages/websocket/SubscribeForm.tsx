import { useState } from 'react'
import type { MqttClient } from 'mqtt'
import { Button } from '../../components/Button'
import { Input } from '../../components/Field'
import { Card } from '../../components/Page'
import { useText } from '../../i18n/i18n'
import { QoSField, type QoS } from './QoSField'
import { text } from './text'

/** Subscribes; client is null while there is no connection. Another connection needs another key: it holds no subscription yet. */
export function SubscribeForm({ client }: { client: MqttClient | null }) {
  const t = useText(text)
  const [filter, setFilter] = useState('test/#')
  const [qos, setQoS] = useState<QoS>(1)
  const [held, hold] = useState<ReadonlyMap<string, number>>(new Map())
  const [denied, deny] = useState<string>()

  const subscribe = () => {
    if (!client) return
    deny(undefined)
    client.subscribe(filter, { qos }, (error, granted) => {
      const got = granted?.[0]?.qos
      if (error || got === undefined || got > 2) deny(t.denied(filter))
      else hold((all) => new Map(all).set(filter, got))
    })
  }
  const unsubscribe = (f: string) =>
    client?.unsubscribe(f, () =>
      hold((all) => {
        const next = new Map(all)
        next.delete(f)
        return next
      }),
    )
  return (
    <Card title={t.subscribe}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault()
          subscribe()
        }}
      >
        <Input label={t.filter} value={filter} onChange={setFilter} required error={denied} />
        <QoSField value={qos} onChange={setQoS} />
        <div className="actions">
          <Button type="submit" icon="plus" disabled={!client}>
            {t.subscribe}
          </Button>
        </div>
      </form>
      <h3>{t.subscribed}</h3>
      {held.size === 0 && <p className="muted">{t.nothing}</p>}
      <ul className="chips">
        {[...held].map(([f, granted]) => (
          <li key={f}>
            <code>{f}</code> <span className="muted">QoS {granted}</span>
            <Button look="ghost" small icon="close" title={t.unsubscribe} aria-label={`${t.unsubscribe}: ${f}`} onClick={() => unsubscribe(f)} />
          </li>
        ))}
      </ul>
    </Card>
  )
}
