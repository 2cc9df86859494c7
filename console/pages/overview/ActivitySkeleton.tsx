import { Skeleton } from "@mantine/core";
import css from "./Overview.module.css";

export const ActivitySkeleton = () =>
  [1, 2, 3, 4].map((row) => (
    <div key={row} className={css.entry}>
      <Skeleton height={13} width="80%" my={3} />
      <Skeleton height={11} width="30%" my={4} />
    </div>
  ));
