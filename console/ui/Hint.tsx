import { useMergedRef } from "@mantine/hooks";
import { cloneElement, type DOMAttributes, lazy, type ReactElement, type Ref, Suspense, useState } from "react";

// It brings its positioning along, which nobody needs before the pointer is there.
const HintBubble = lazy(() => import("./HintBubble.tsx"));

type Target = DOMAttributes<HTMLElement> & { ref?: Ref<HTMLElement> };
interface Props {
  label: string;
  disabled?: boolean;
  openDelay?: number;
  children: ReactElement<Target>;
}

/** A Tooltip for what stands in the first view: fetched when it is first pointed at. What else it is given is for its child. */
export function Hint({ label, disabled, openDelay, children, ref, ...given }: Props & Target) {
  const [target, setTarget] = useState<HTMLElement | null>(null);
  const [wanted, setWanted] = useState(false);
  const merged = useMergedRef(setTarget, ref, children.props.ref);
  return (
    <>
      {cloneElement(children, {
        ...given,
        ref: merged,
        onPointerEnter: (event) => {
          setWanted(true);
          given.onPointerEnter?.(event);
        },
        onFocus: (event) => {
          setWanted(true);
          given.onFocus?.(event);
        },
      })}
      {wanted && target && (
        <Suspense>
          <HintBubble target={target} label={label} disabled={disabled ?? false} {...(openDelay ? { openDelay } : {})} />
        </Suspense>
      )}
    </>
  );
}
