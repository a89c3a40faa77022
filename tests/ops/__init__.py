"""What one installs Goniec with: the wheel, the service's unit, the container's file."""
