import "@mantine/notifications/styles.layer.css";
import { Notifications } from "@mantine/notifications";

export default function Toasts() {
  return <Notifications position="bottom-right" limit={3} autoClose={5000} containerWidth={380} />;
}
