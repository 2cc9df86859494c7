import { Alert } from "@mantine/core";

const intoView = (element: HTMLElement | null) => element?.scrollIntoView({ block: "nearest" });

/** The problem of a form that belongs to none of its fields; a long form may have been scrolled away from it. */
export function FormProblem({ children }: { children: string | undefined }) {
  return children ? (
    <Alert ref={intoView} color="red" variant="light" role="alert" p="sm">
      {children}
    </Alert>
  ) : null;
}
