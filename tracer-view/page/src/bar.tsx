/** The bar application / data plane, and its legend. */

import { duration, share } from "./format";

/** The widths are the shares of both; a data plane that took any time is at least visible. */
export function SplitBar({ applicationNs, dataPlaneNs, big = false }: { applicationNs: number; dataPlaneNs: number; big?: boolean }) {
  const whole = Math.max(1, applicationNs + dataPlaneNs);
  const text = `application ${share(applicationNs, whole)}, data plane ${share(dataPlaneNs, whole)}`;
  return (
    <span class={big ? "split big" : "split"} role="img" aria-label={text}>
      <span class="fill application" style={{ flexGrow: applicationNs / whole }} />
      {dataPlaneNs > 0 && <span class="fill dataPlane" style={{ flexGrow: dataPlaneNs / whole }} />}
    </span>
  );
}

export function Swatch({ kind }: { kind: string }) {
  return <span class={`swatch fill ${kind}`} aria-hidden="true" />;
}

export function Parts({ applicationNs, dataPlaneNs }: { applicationNs: number; dataPlaneNs: number }) {
  const whole = applicationNs + dataPlaneNs;
  return (
    <dl class="parts">
      <div>
        <dt><Swatch kind="application" /> application</dt>
        <dd><b>{duration(applicationNs)}</b> <span>{share(applicationNs, whole)}</span></dd>
      </div>
      <div>
        <dt><Swatch kind="dataPlane" /> data plane</dt>
        <dd><b>{duration(dataPlaneNs)}</b> <span>{share(dataPlaneNs, whole)}</span></dd>
      </div>
    </dl>
  );
}

/** A failure in words; the cross is not read aloud, the words are. */
export function Failure({ text }: { text: string }) {
  return (
    <span class="failure"><span class="cross" aria-hidden="true">✕</span><span class="hidden">failed: </span>{text}</span>
  );
}
