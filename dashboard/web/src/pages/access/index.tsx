import { useParams } from '../../app/router'
import { Page, Tabs } from '../../components/Page'
import { useText } from '../../i18n/i18n'
import { Accounts } from './Accounts'
import { Bans } from './Bans'
import { Rules } from './Rules'
import { Test } from './Test'
import { text } from './text'

const parts = {
  byUsername: () => <Accounts kind="username" />,
  byClientID: () => <Accounts kind="clientid" />,
  rules: Rules,
  bans: Bans,
  test: Test,
} as const
type Part = keyof typeof parts

export default function Access() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const chosen = params.get('tab') ?? ''
  const part: Part = chosen in parts ? (chosen as Part) : 'byUsername'
  const Shown = parts[part]
  return (
    <Page title={t.title} lead={t.lead}>
      <Tabs
        label={t.title}
        value={part}
        options={(Object.keys(parts) as Part[]).map((p) => [p, t[p]] as const)}
        onChange={(tab) => setParams({ tab, page: undefined, like: undefined })}
      />
      <Shown key={part} />
    </Page>
  )
}
