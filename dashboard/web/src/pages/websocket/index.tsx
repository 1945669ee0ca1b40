import { useEffect, useState } from 'react'
import type { MqttClient } from 'mqtt'
import { Button } from '../../components/Button'
import { Card, Grid, Page } from '../../components/Page'
import { Tag } from '../../components/Small'
import { useText } from '../../i18n/i18n'
import { ConnectForm } from './ConnectForm'
import { nextKey, open, type End, type Message, type Settings, type State } from './connection'
import { Messages } from './Messages'
import { PublishForm } from './PublishForm'
import { SubscribeForm } from './SubscribeForm'
import { text } from './text'

const most = 200 // messages shown; a tab is no place for more

export default function WebSocketClient() {
  const t = useText(text)
  const [state, setState] = useState<State>('closed')
  const [end, setEnd] = useState<End>()
  const [messages, setMessages] = useState<readonly Message[]>([])
  const [client, setClient] = useState<MqttClient | null>(null)
  useEffect(() => () => void client?.end(true), [client])

  const keep = (m: Message) => setMessages((all) => [m, ...all].slice(0, most))
  const connect = (s: Settings) => {
    setEnd(undefined)
    setClient(open(s, { state: setState, end: setEnd, message: keep }))
  }
  const up = state === 'connected'
  const ready = up ? client : null
  return (
    <Page title={t.title} lead={t.lead} actions={<Tag mood={up ? 'good' : state === 'connecting' ? 'info' : 'plain'}>{t[state]}</Tag>}>
      {end && (
        <div className="notice bad" role="alert">
          <p>{end.kind === 'refused' ? t.refused(end.why) : end.kind === 'ended' ? t.ended(end.why) : t[end.kind]}</p>
        </div>
      )}
      <ConnectForm state={state} onConnect={connect} onDisconnect={() => client?.end()} />
      <Grid of="halves">
        <SubscribeForm key={up ? client?.options.clientId : ''} client={ready} />
        <PublishForm
          client={ready}
          onPublished={(topic, payload, qos, retain) => keep({ key: nextKey(), at: Date.now(), out: true, topic, payload: new TextEncoder().encode(payload), qos, retain })}
        />
      </Grid>
      <Card
        flush
        title={t.messages}
        actions={
          messages.length > 0 && (
            <Button small onClick={() => setMessages([])}>
              {t.clear}
            </Button>
          )
        }
      >
        <Messages all={messages} note={messages.length === most ? t.kept(most) : undefined} />
      </Card>
    </Page>
  )
}
