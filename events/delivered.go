package events

// TypeAlertDelivered says that a receiver was told. Data: Receipt.
const TypeAlertDelivered = "alert.delivered"
