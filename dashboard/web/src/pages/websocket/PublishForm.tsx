import { useState } from 'react'
import type { MqttClient } from 'mqtt'
import { Button } from '../../components/Button'
import { Checkbox, Input, Textarea } from '../../components/Field'
import { Card } from '../../components/Page'
import { toast } from '../../components/Toast'
import { useText } from '../../i18n/i18n'
import { QoSField, type QoS } from './QoSField'
import { text } from './text'

interface Props {
  client: MqttClient | null
  onPublished: (topic: string, payload: string, qos: number, retain: boolean) => void
}

export function PublishForm({ client, onPublished }: Props) {
  const t = useText(text)
  const [topic, setTopic] = useState('test/1')
  const [payload, setPayload] = useState('{ "hello": "world" }')
  const [qos, setQoS] = useState<QoS>(1)
  const [retain, setRetain] = useState(false)
  const publish = () =>
    client?.publish(topic, payload, { qos, retain }, (error) => {
      if (error) return toast(t.notPublished(error.message), 'bad')
      onPublished(topic, payload, qos, retain)
    })
  return (
    <Card title={t.publish}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault()
          publish()
        }}
      >
        <Input label={t.topic} value={topic} onChange={setTopic} required />
        <Textarea label={t.payload} value={payload} onChange={setPayload} />
        <div className="form-row">
          <QoSField value={qos} onChange={setQoS} />
          <Checkbox label={t.retain} checked={retain} onChange={setRetain} />
        </div>
        <div className="actions">
          <Button type="submit" icon="send" disabled={!client}>
            {t.publish}
          </Button>
        </div>
      </form>
    </Card>
  )
}
