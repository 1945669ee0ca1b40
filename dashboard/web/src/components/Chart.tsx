import { useEffect, useMemo, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useDark } from '../app/theme'
import { clock } from '../i18n/format'
import { useLanguage, useText } from '../i18n/i18n'
import { Empty } from './States'
import { text } from './text'

export interface Series {
  name: string
  /** One of the custom properties --chart-1 … --chart-5. */
  color: 1 | 2 | 3 | 4 | 5
  /** One figure for each time; null: there is none. */
  values: readonly (number | null)[]
  /** Filled down to 0. */
  area?: boolean
}

interface Props {
  name: string
  /** Unix milliseconds, rising. */
  times: readonly number[]
  series: readonly Series[]
  /** Writes a figure, for the axis and the legend. */
  format: (n: number | null | undefined) => string
  height?: number
  /** The figures are bytes: the axis counts in powers of two. */
  binary?: boolean
}

/** Figures over time. The legend shows the values below the pointer, or the last ones. */
export function Chart({ name, times, series, format, height = 190, binary = false }: Props) {
  const t = useText(text)
  const [at, setAt] = useState<number | null>(null)
  const dark = useDark()
  const lang = useLanguage()
  const known = series.some((s) => s.values.some((v) => v !== null))
  if (times.length < 2 || !known) return <Empty>{t.noData}</Empty>

  const index = at !== null && at < times.length ? at : times.length - 1
  const legend = series.map((s) => ({ ...s, value: format(s.values[index]) }))
  const looks = JSON.stringify(series.map(({ name: n, color, area }) => [n, color, area ?? false]))
  const data = [times.map((ms) => ms / 1000), ...series.map((s) => s.values)] as uPlot.AlignedData
  return (
    <figure className="chart">
      <figcaption>
        {legend.map((s) => (
          <span key={s.name} className={`key key-${s.color}`}>
            {s.name} <b className="number">{s.value}</b>
          </span>
        ))}
        <time className="number">{at === null ? '' : clock(times[index]).slice(11)}</time>
      </figcaption>
      <div role="img" aria-label={`${name}: ${legend.map((s) => `${s.name} ${s.value}`).join(', ')}`}>
        <Canvas key={`${dark} ${lang} ${looks}`} looks={looks} data={data} format={format} height={height} binary={binary} onCursor={setAt} />
      </div>
    </figure>
  )
}

interface CanvasProps extends Pick<Props, 'format'> {
  looks: string // JSON of Look[]
  data: uPlot.AlignedData
  height: number
  binary: boolean
  onCursor: (at: number | null) => void
}

/** The drawing, made once: colours and languages are its key. New data are set into it. */
function Canvas({ looks, data, format, height, binary, onCursor }: CanvasProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  useEffect(() => {
    const el = box.current
    if (!el) return
    const u = new uPlot(options(el, JSON.parse(looks) as Look[], { format, height, binary, onCursor }), undefined, el)
    plot.current = u
    const resize = new ResizeObserver(() => u.setSize({ width: el.clientWidth, height }))
    resize.observe(el)
    return () => {
      resize.disconnect()
      u.destroy()
    }
  }, [looks, format, height, binary, onCursor])
  useEffect(() => plot.current?.setData(data))
  return <div ref={box} />
}

/** The colour that a custom property has now; light-dark() is resolved only in a real colour. */
function colorOf(el: HTMLElement, property: string): string {
  const before = el.style.color
  el.style.color = `var(${property})`
  const color = getComputedStyle(el).color
  el.style.color = before
  return color
}

const minutes = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440].map((m) => m * 60)
const powersOfTwo = Array.from({ length: 50 }, (_, i) => 2 ** i)

type Look = [name: string, color: number, area: boolean]

function options(el: HTMLElement, looks: Look[], { format, height, binary, onCursor }: Omit<CanvasProps, 'looks' | 'data'>): uPlot.Options {
  const line = colorOf(el, '--line')
  const label = colorOf(el, '--text-2')
  const axis: uPlot.Axis = {
    stroke: label,
    font: `11px ${getComputedStyle(el).fontFamily}`,
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
  }
  return {
    width: el.clientWidth,
    height,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { y: { range: (_u, _min, max) => [0, Number.isFinite(max) && max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, space: 60, size: 30, incrs: minutes, values: (_u, splits) => splits.map((s) => clock(s * 1000).slice(11, 16)) },
      { ...axis, size: 56, space: 32, ...(binary && { incrs: powersOfTwo }), values: (_u, splits) => splits.map((s) => format(s)) },
    ],
    series: [
      {},
      ...looks.map(([name, color, area]): uPlot.Series => {
        const stroke = colorOf(el, `--chart-${color}`)
        return { label: name, stroke, width: 1.75, points: { show: few, size: 5, fill: stroke }, spanGaps: false, ...(area && { fill: fade(stroke) }) }
      }),
    ],
    hooks: { setCursor: [(u) => onCursor(u.cursor.idx ?? null)] },
  }
}

/** Whether there are too few figures for a line. */
function few(u: uPlot, series: number): boolean {
  return (u.data[series] ?? []).filter((v) => v !== null).length < 3
}

/** The colour at a tenth of its strength. */
export function fade(color: string): string {
  const rgb = /^rgb\((.+)\)$/.exec(color)
  return rgb ? `rgba(${rgb[1]}, 0.1)` : `color-mix(in srgb, ${color} 10%, transparent)`
}

/** A line without axes, for a tile. */
export function Sparkline({ values, color = 1 }: { values: readonly (number | null)[]; color?: Series['color'] }) {
  const path = useMemo(() => sparkline(values, 100, 28), [values])
  if (!path) return <svg className="sparkline" aria-hidden="true" />
  return (
    <svg className={`sparkline key-${color}`} viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
      <path d={path} vectorEffect="non-scaling-stroke" />
    </svg>
  )
}

/** The path of values in a box, from 0 to their largest; gaps stay gaps. */
export function sparkline(values: readonly (number | null)[], width: number, height: number): string {
  const top = Math.max(...values.map((v) => v ?? 0), 1e-9)
  const step = width / Math.max(1, values.length - 1)
  let pen = 'M'
  let out = ''
  for (const [i, v] of values.entries()) {
    if (v === null) {
      pen = 'M'
      continue
    }
    out += `${pen}${(i * step).toFixed(1)} ${(height - 2 - (v / top) * (height - 4)).toFixed(1)}`
    pen = 'L'
  }
  return out
}
